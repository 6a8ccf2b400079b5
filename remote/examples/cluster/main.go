// Command cluster makes a thousand calls on three worker processes, two of which it kills:
//
//	go run ./examples/cluster           # with a server of its own
//	go run ./examples/cluster -nats URL # with another one; streams cluster-example_… remain
//
// It starts itself again as the workers. The calls are ordinary futures: they are chained,
// gathered, and taken in the order of completion. The jobs of a killed worker run elsewhere when
// their leases end, after a second.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

const (
	calls   = 1000
	workers = 3
	kills   = 2
)

// A square is the result of a job, and the process that has found it.
type square struct{ Root, Value, PID int }

func main() {
	url := flag.String("nats", "", "the `URL` of a server with JetStream, instead of an own one")
	worker := flag.Bool("worker", false, "run as a worker of the server at -nats")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := error(nil)
	if *worker {
		err = work(ctx, *url)
	} else {
		err = run(ctx, *url, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func connect(ctx context.Context, url string) (*nats.Conn, *remote.Client, error) {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1))
	if err != nil {
		return nil, nil, err
	}
	c, err := remote.Connect(ctx, nc, remote.Namespace("cluster-example"), remote.Lease(time.Second))
	return nc, c, err
}

// work is the program of a worker process: it squares numbers, until its standard input ends.
func work(ctx context.Context, url string) error {
	nc, c, err := connect(ctx, url)
	if err != nil {
		return err
	}
	defer nc.Close()
	defer c.Close()
	w := remote.NewWorker(c, remote.Concurrency(8))
	remote.Handle(w, "square", func(_ context.Context, n int) (square, error) {
		time.Sleep(10 * time.Millisecond) // the work
		return square{n, n * n, os.Getpid()}, nil
	})
	ctx, stop := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return w.Run(ctx)
}

// run is the program of the caller.
func run(ctx context.Context, url string, out io.Writer) error {
	if url == "" {
		dir, err := os.MkdirTemp("", "cluster")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		node, err := remote.Open(ctx, dir)
		if err != nil {
			return err
		}
		defer node.Close()
		url = node.URL()
	}
	nc, c, err := connect(ctx, url)
	if err != nil {
		return err
	}
	defer nc.Close()
	defer c.Close()
	var processes []*process
	defer func() {
		for _, p := range processes {
			p.stop()
		}
	}()
	for range workers {
		p, err := startWorker(url)
		if err != nil {
			return err
		}
		processes = append(processes, p)
	}

	start := time.Now()
	squares := make([]*future.Future[square], calls)
	for i := range squares {
		call := remote.Go[square](ctx, c, "square", i)
		squares[i] = future.Then(ctx, call.Future, func(_ context.Context, s square) (square, error) {
			if s.Root != i || s.Value != i*i {
				return s, fmt.Errorf("call %d has the result of another one: %v", i, s)
			}
			return s, nil
		})
	}
	arrived, killed := 0, 0
	for i := range future.AsCompleted(ctx, squares...) {
		if _, err := squares[i].Result(); err != nil {
			return err
		}
		arrived++
		if killed < kills && arrived == calls*(killed+1)/(kills+1) {
			processes[killed].kill()
			killed++
		}
	}
	all, err := future.Gather(squares...).Await(ctx)
	if err != nil {
		return err
	}
	took := time.Since(start)

	results := map[int]int{} // by process
	for _, s := range all {
		results[s.PID]++
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WORKER\tEND\tRESULTS")
	for _, p := range processes {
		fmt.Fprintf(table, "%d\t%s\t%d\n", p.Process.Pid, p.end, results[p.Process.Pid])
	}
	_ = table.Flush()
	if arrived != calls {
		return fmt.Errorf("%d of %d results have arrived", arrived, calls)
	}
	fmt.Fprintf(out, "\nAll %d results have arrived, each once, in %v.\n", arrived, took.Round(time.Millisecond))
	return nil
}

// A process is a worker process.
type process struct {
	*exec.Cmd
	stdin io.Closer
	end   string
}

func startWorker(url string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{Cmd: exec.Command(self, "-worker", "-nats", url), end: "-"}
	p.Stderr = os.Stderr
	if p.stdin, err = p.StdinPipe(); err != nil {
		return nil, err
	}
	return p, p.Start()
}

// kill ends the process at once: on Unix, by SIGKILL.
func (p *process) kill() {
	p.end = "killed"
	_ = p.Process.Kill()
	_ = p.Wait()
}

// stop lets the process finish its jobs.
func (p *process) stop() {
	_ = p.stdin.Close()
	if err := p.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		_ = p.Process.Kill()
	}
}
