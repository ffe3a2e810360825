// Checks our tree with code that is not ours: golang.org/x/mod/sumdb/note opens the checkpoint, and
// golang.org/x/mod/sumdb/tlog does all that is hashing or proof. Ours here is only where the files
// lie.
//
//	check_tree -dir DIR -key VERIFIER_KEY [-old CHECKPOINT] [-random N -seed N] [-index N] [-all]
//
// Exits 0 when everything holds, 1 with the reason when something does not.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height    = 8
	width     = 1 << height
	leafBytes = 288
)

// path is where C2SP tlog-tiles has what tlog calls tile/8/<level>/...
func path(t tlog.Tile) string {
	return "tile/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", height))
}

// readTile reads a tile, or the beginning of the full one where a partial one is gone.
func readTile(dir string, t tlog.Tile) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(dir, path(t)))
	if os.IsNotExist(err) && t.W != width {
		full := t
		full.W = width
		if data, err = os.ReadFile(filepath.Join(dir, path(full))); err == nil && len(data) == width*tlog.HashSize {
			data = data[:t.W*tlog.HashSize]
		}
	}
	if err != nil {
		return nil, err
	}
	if len(data) != t.W*tlog.HashSize {
		return nil, fmt.Errorf("%s has %d bytes", path(t), len(data))
	}
	return data, nil
}

// tileFiles is a tlog.TileReader over the files.
type tileFiles struct{ dir string }

func (f tileFiles) Height() int { return height }

func (f tileFiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		data, err := readTile(f.dir, t)
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (f tileFiles) SaveTiles([]tlog.Tile, [][]byte) {}

// bundle reads the leaves of a tree with size leaves from 256*n on.
func bundle(dir string, n, size int64) ([][]byte, error) {
	t := tlog.Tile{H: height, L: 0, N: n, W: width}
	if left := size - n*width; left < width {
		t.W = int(left)
	}
	name := strings.Replace(path(t), "tile/0/", "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	var leaves [][]byte
	for len(data) >= 2 {
		length := int(binary.BigEndian.Uint16(data))
		if length != leafBytes || len(data) < 2+length {
			return nil, fmt.Errorf("%s: leaf %d has length %d", name, len(leaves), length)
		}
		leaves = append(leaves, data[2:2+length])
		data = data[2+length:]
	}
	if len(data) != 0 || len(leaves) != t.W {
		return nil, fmt.Errorf("%s: %d leaves and %d bytes", name, len(leaves), len(data))
	}
	return leaves, nil
}

func leaf(dir string, index, size int64) ([]byte, error) {
	leaves, err := bundle(dir, index/width, size)
	if err != nil {
		return nil, err
	}
	return leaves[index%width], nil
}

// openCheckpoint checks the signature and gives origin and tree.
func openCheckpoint(file, key string) (string, tlog.Tree, error) {
	var tree tlog.Tree
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return "", tree, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", tree, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return "", tree, fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return "", tree, fmt.Errorf("checkpoint: %d lines", len(lines)-1)
	}
	if lines[0] != verifier.Name() {
		return "", tree, fmt.Errorf("checkpoint: origin %q, key of %q", lines[0], verifier.Name())
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return "", tree, err
	}
	hash, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(hash) != tlog.HashSize {
		return "", tree, fmt.Errorf("checkpoint: root %q", lines[2])
	}
	copy(tree.Hash[:], hash)
	return lines[0], tree, nil
}

// checkInclusion checks that the leaf in its bundle is leaf index of the tree.
func checkInclusion(dir string, tree tlog.Tree, hashes tlog.HashReader, index int64) error {
	data, err := leaf(dir, index, tree.N)
	if err != nil {
		return err
	}
	if sequence := binary.LittleEndian.Uint64(data[48:]); sequence != uint64(index+1) {
		return fmt.Errorf("leaf %d: sequence %d", index, sequence)
	}
	proof, err := tlog.ProveRecord(tree.N, index, hashes)
	if err != nil {
		return fmt.Errorf("leaf %d: %w", index, err)
	}
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(data)); err != nil {
		return fmt.Errorf("leaf %d: %w", index, err)
	}
	return nil
}

// checkAll makes the whole tree again from the bundles and compares root and every tile.
func checkAll(dir string, tree tlog.Tree) (int, error) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var hashes []tlog.Hash
		for _, i := range indexes {
			hashes = append(hashes, stored[i])
		}
		return hashes, nil
	})
	var previous tlog.Hash
	for n := int64(0); n*width < tree.N; n++ {
		leaves, err := bundle(dir, n, tree.N)
		if err != nil {
			return 0, err
		}
		for i, data := range leaves {
			index := n*width + int64(i)
			if !bytes.Equal(data[56:56+tlog.HashSize], previous[:]) && index != 0 {
				return 0, fmt.Errorf("leaf %d is not chained to the one before", index)
			}
			previous = tlog.RecordHash(data)
			hashes, err := tlog.StoredHashesForRecordHash(index, previous, reader)
			if err != nil {
				return 0, err
			}
			stored = append(stored, hashes...)
		}
	}
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return 0, err
	}
	if root != tree.Hash {
		return 0, fmt.Errorf("the bundles have root %v, the checkpoint %v", root, tree.Hash)
	}
	count := 0
	for _, t := range tlog.NewTiles(height, 0, tree.N) {
		// Also partial ones of smaller trees are in the list.
		if t.W != width && int64(t.W) != tree.N>>(height*t.L)%width {
			continue
		}
		count++
		want, err := tlog.ReadTileData(t, reader)
		if err != nil {
			return 0, err
		}
		have, err := readTile(dir, t)
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(want, have) {
			return 0, fmt.Errorf("%s holds other hashes than its bundles", path(t))
		}
	}
	return count, nil
}

func run() error {
	dir := flag.String("dir", "", "what holds tile/ and checkpoint")
	key := flag.String("key", "", "verifier key")
	old := flag.String("old", "", "an earlier checkpoint")
	random := flag.Int("random", 0, "leaves to look at")
	seed := flag.Int64("seed", 1, "of their choice")
	index := flag.Int64("index", -1, "one leaf to look at")
	all := flag.Bool("all", false, "compare every file")
	flag.Parse()

	origin, tree, err := openCheckpoint(filepath.Join(*dir, "checkpoint"), *key)
	if err != nil {
		return err
	}
	fmt.Printf("checkpoint of %s: %d leaves\n", origin, tree.N)
	// Checks every tile against the root before it gives a hash of it.
	hashes := tlog.TileHashReader(tree, tileFiles{*dir})

	var indexes []int64
	if *index >= 0 {
		indexes = append(indexes, *index)
	}
	if *random > 0 {
		for _, i := range []int64{0, width - 1, width, width*width - 1, width * width, tree.N - 1} {
			if i < tree.N {
				indexes = append(indexes, i)
			}
		}
		choice := rand.New(rand.NewSource(*seed))
		for len(indexes) < *random {
			indexes = append(indexes, choice.Int63n(tree.N))
		}
	}
	for _, i := range indexes {
		if err := checkInclusion(*dir, tree, hashes, i); err != nil {
			return err
		}
	}
	fmt.Printf("inclusion: %d leaves\n", len(indexes))

	if *old != "" {
		_, before, err := openCheckpoint(*old, *key)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(tree.N, before.N, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, before.N, before.Hash); err != nil {
			return fmt.Errorf("consistency: %w", err)
		}
		fmt.Printf("consistency: %d to %d, %d hashes\n", before.N, tree.N, len(proof))
	}
	if *all {
		count, err := checkAll(*dir, tree)
		if err != nil {
			return err
		}
		fmt.Printf("all: %d leaves, %d tiles\n", tree.N, count)
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "check_tree:", err)
		os.Exit(1)
	}
}
