// Command hashtree hashes the files below a directory and prints its progress:
//
//	go run ./examples/hashtree [directory]
//
// It shows two ways to receive many results. AsCompleted yields each file as soon as it is
// hashed, for the progress. Map returns all hashes in the order of the files, for the hash
// of the whole tree, which is the last line of the output.
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"go/build"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"

	"github.com/channel-native/future"
)

// A file is the future of its own hash. The embedded promise needs no allocation of its own.
type file struct {
	future.Promise[[]byte]
	path string
}

func main() {
	dir := filepath.Join(build.Default.GOROOT, "src", "encoding")
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.DirFS(dir)); err != nil {
		fmt.Fprintf(os.Stderr, "hashtree: %s: %v\n", dir, err)
		os.Exit(1)
	}
}

// run hashes tree and prints the progress and the hash.
func run(ctx context.Context, out io.Writer, tree fs.FS) error {
	files, err := find(tree)
	if err != nil {
		return err
	}
	sums, err := hashAll(ctx, out, tree, files)
	if err != nil {
		return err
	}
	sum := sha256.New()
	for i, f := range files {
		fmt.Fprintf(sum, "%x  %s\n", sums[i], f.path)
	}
	fmt.Fprintf(out, "%x\n", sum.Sum(nil))
	return nil
}

// hashAll returns the hashes of files, and prints a line whenever another tenth of them is
// done. It stops at the first file that cannot be read, and when ctx ends.
func hashAll(ctx context.Context, out io.Writer, tree fs.FS, files []*file) ([][]byte, error) {
	sums := future.Map(ctx, 2*runtime.GOMAXPROCS(0), files, func(_ context.Context, f *file) ([]byte, error) {
		f.Complete(hash(tree, f.path))
		return f.Result()
	})
	done, total := 0, len(files)
	for _, f := range future.AsCompleted(ctx, files...) {
		if f.Err() != nil {
			break // Map starts no further calls, so the remaining files never settle
		}
		done++
		if done*10/total > (done-1)*10/total {
			fmt.Fprintf(out, "%3d%%  %d of %d files, just now %s\n", done*100/total, done, total, f.path)
		}
	}
	return sums.Await(ctx)
}

// find returns the regular files of tree in lexical order.
func find(tree fs.FS) (files []*file, err error) {
	err = fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, &file{path: path})
		}
		return err
	})
	return files, err
}

func hash(tree fs.FS, path string) ([]byte, error) {
	f, err := tree.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return sum.Sum(nil), err
}
