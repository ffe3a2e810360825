// Opens a checkpoint that a P-256 key signed with golang.org/x/mod/sumdb/note, which knows Ed25519 alone:
// the verifier of the other kind is here, on crypto/ecdsa.
//
//	check_note -note FILE -key VERIFIER_KEY
//
// Prints origin and size. Exits 0 when the key's signature holds, 1 with the reason when it does not.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

type p256Verifier struct {
	name string
	hash uint32
	key  *ecdsa.PublicKey
}

func (v *p256Verifier) Name() string    { return v.name }
func (v *p256Verifier) KeyHash() uint32 { return v.hash }
func (v *p256Verifier) Verify(msg, sig []byte) bool {
	digest := sha256.Sum256(msg)
	return ecdsa.VerifyASN1(v.key, digest[:], sig)
}

func newVerifier(text string) (note.Verifier, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("%q is no verifier key", text)
	}
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	if len(data) == 0 || data[0] != 2 {
		return nil, fmt.Errorf("not the algorithm ECDSA")
	}
	digest := sha256.Sum256(data[1:])
	if binary.BigEndian.Uint32(digest[:]) != uint32(hash) {
		return nil, fmt.Errorf("the key id is not that of the key")
	}
	public, err := x509.ParsePKIXPublicKey(data[1:])
	if err != nil {
		return nil, err
	}
	key, ok := public.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("not a P-256 key")
	}
	return &p256Verifier{parts[0], uint32(hash), key}, nil
}

func run() error {
	file := flag.String("note", "", "the checkpoint")
	key := flag.String("key", "", "verifier key")
	flag.Parse()
	data, err := os.ReadFile(*file)
	if err != nil {
		return err
	}
	verifier, err := newVerifier(*key)
	if err != nil {
		return err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(opened.Sigs) != 1 || lines[0] != verifier.Name() {
		return fmt.Errorf("origin %q, key of %q", lines[0], verifier.Name())
	}
	fmt.Printf("%s: %s entries\n", lines[0], lines[1])
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
