// Checks a proof of ours with code that is not: golang.org/x/mod/sumdb/note opens the checkpoint, and
// golang.org/x/mod/sumdb/tlog checks the inclusion. Ours here is only how the file is taken apart:
// JSON, and in it a C2SP tlog-proof.
//
//	check_proof -proof FILE -key VERIFIER_KEY
//
// Prints a line for the entry and one for its receipt. Exits 0 when everything holds, 1 with the
// reason when something does not.
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type part struct {
	Part   string
	Random []byte
	Text   *string
	Base64 []byte
}

type entry struct {
	Sequence  int64
	Leaf      []byte
	Inclusion string
	Disclosed []part
}

type proof struct {
	Format string
	entry
	Receipt *entry
}

// openTlogProof gives leaf number, path and checkpoint.
func openTlogProof(text string) (int64, tlog.RecordProof, string, error) {
	head, checkpoint, found := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return 0, nil, "", fmt.Errorf("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return 0, nil, "", err
	}
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return 0, nil, "", err
		}
		path = append(path, hash)
	}
	return index, path, checkpoint, nil
}

func openCheckpoint(text string, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	// The checksum database's own name stands in the first line of what tlog parses.
	origin, rest, _ := strings.Cut(opened.Text, "\n")
	if origin != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("origin %q, key of %q", origin, verifier.Name())
	}
	return tlog.ParseTree([]byte("go.sum database tree\n" + rest))
}

// checkPart checks what is disclosed against the commitment in the leaf.
func checkPart(p part, leaf []byte) error {
	names := map[string]int{"input": 0, "output": 1, "context": 2, "rest": 3}
	number, known := names[p.Part]
	if !known {
		return fmt.Errorf("part %q", p.Part)
	}
	content := p.Base64
	if p.Text != nil {
		content = []byte(*p.Text)
	}
	hash := sha256.New()
	hash.Write([]byte("XASECMT1"))
	hash.Write([]byte{byte(number)})
	hash.Write(p.Random)
	binary.Write(hash, binary.LittleEndian, uint64(len(content)))
	hash.Write(content)
	if string(hash.Sum(nil)) != string(leaf[160+32*number:192+32*number]) {
		return fmt.Errorf("%s is not what the leaf commits to", p.Part)
	}
	return nil
}

// checkEntry gives the number of hashes.
func checkEntry(e entry, verifier note.Verifier) (int, error) {
	index, path, checkpoint, err := openTlogProof(e.Inclusion)
	if err != nil {
		return 0, err
	}
	tree, err := openCheckpoint(checkpoint, verifier)
	if err != nil {
		return 0, fmt.Errorf("checkpoint: %w", err)
	}
	if err := tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(e.Leaf)); err != nil {
		return 0, err
	}
	if len(e.Leaf) != 288 || int64(binary.LittleEndian.Uint64(e.Leaf[48:])) != e.Sequence || index+1 != e.Sequence {
		return 0, fmt.Errorf("leaf %d is not that of entry %d", index, e.Sequence)
	}
	for _, p := range e.Disclosed {
		if err := checkPart(p, e.Leaf); err != nil {
			return 0, err
		}
	}
	return len(path), nil
}

func run() error {
	file := flag.String("proof", "", "what xasectl prove wrote")
	key := flag.String("key", "", "verifier key")
	flag.Parse()
	data, err := os.ReadFile(*file)
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(*key)
	if err != nil {
		return err
	}
	var p proof
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	if p.Format != "xase-proof/1" {
		return fmt.Errorf("format %q", p.Format)
	}
	count, err := checkEntry(p.entry, verifier)
	if err != nil {
		return fmt.Errorf("entry: %w", err)
	}
	fmt.Printf("entry %d: %d hashes\n", p.Sequence, count)
	if p.Receipt == nil {
		return nil
	}
	receipts, err := checkEntry(*p.Receipt, verifier)
	if err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	if len(p.Receipt.Disclosed) != 1 {
		return fmt.Errorf("receipt: %d parts", len(p.Receipt.Disclosed))
	}
	hash := tlog.RecordHash(p.Leaf)
	body := p.Receipt.Disclosed[0].Base64
	if len(body) < 72 || int64(binary.LittleEndian.Uint64(body)) != p.Sequence || string(body[8:40]) != string(hash[:]) {
		return fmt.Errorf("receipt: it is another record's")
	}
	fmt.Printf("receipt %d: %d hashes\n", p.Receipt.Sequence, receipts)
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "check_proof:", err)
		os.Exit(1)
	}
}

