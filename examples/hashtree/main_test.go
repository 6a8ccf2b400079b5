package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testTree returns a tree of 50 files, each of which contains its own name, and its hash.
func testTree() (tree fstest.MapFS, hash string) {
	tree = make(fstest.MapFS)
	sum := sha256.New()
	for i := range 50 {
		name := fmt.Sprintf("%d/%02d", i/25, i)
		tree[name] = &fstest.MapFile{Data: []byte(name)}
		fmt.Fprintf(sum, "%x  %s\n", sha256.Sum256([]byte(name)), name)
	}
	return tree, fmt.Sprintf("%x", sum.Sum(nil))
}

func TestRun(t *testing.T) {
	tree, want := testTree()
	var out bytes.Buffer
	if err := run(t.Context(), &out, tree); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 11 {
		t.Fatalf("%d lines; want ten of progress and the hash:\n%s", len(lines), &out)
	}
	for i, line := range lines[:10] {
		if p := fmt.Sprintf("%3d%%  %d of 50 files, ", 10*(i+1), 5*(i+1)); !strings.HasPrefix(line, p) {
			t.Errorf("progress %q; want %q", line, p)
		}
	}
	if got := lines[10]; got != want {
		t.Errorf("hash %s; want %s", got, want)
	}
}

func TestUnreadableFile(t *testing.T) {
	tree, _ := testTree()
	files, err := find(tree)
	if err != nil {
		t.Fatal(err)
	}
	delete(tree, files[7].path)
	if _, err := hashAll(t.Context(), io.Discard, tree, files); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v; want %v", err, fs.ErrNotExist)
	}
}

func TestEmptyTree(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out, os.DirFS(t.TempDir())); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%x\n", sha256.Sum256(nil)); out.String() != want {
		t.Errorf("printed %q; want %q", &out, want)
	}
}

func TestNoTree(t *testing.T) {
	if err := run(t.Context(), io.Discard, os.DirFS("none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v; want %v", err, fs.ErrNotExist)
	}
}

func TestInterrupted(t *testing.T) {
	tree, _ := testTree()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, io.Discard, tree); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v; want %v", err, context.Canceled)
	}
}
