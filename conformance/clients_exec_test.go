package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/channel-native/future"
)

const childEnv = "FUTURE_CONFORMANCE_CHILD"

// TestExecChild is the command that the other tests run. Without the environment variable
// it does nothing.
func TestExecChild(*testing.T) {
	switch os.Getenv(childEnv) {
	case "print":
		fmt.Print("printed")
		os.Exit(0)
	case "fail":
		os.Exit(3)
	case "hang":
		fmt.Println("ready")
		time.Sleep(time.Minute)
		os.Exit(4)
	}
}

// child returns a command whose behavior is one of the cases of TestExecChild.
func child(ctx context.Context, t *testing.T, behavior string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, exe, "-test.run=^TestExecChild$")
	cmd.Env = append(os.Environ(), childEnv+"="+behavior, "GORACE=atexit_sleep_ms=0")
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run adapts a command. If the command is killed because its context has ended, the error of
// Run is only "signal: killed". run joins the error of the context, or the future would be
// Failed instead of Cancelled.
func run(ctx context.Context, t *testing.T, behavior string, stdout io.Writer) *future.Future[*os.ProcessState] {
	return future.Go(ctx, func(ctx context.Context) (*os.ProcessState, error) {
		cmd := child(ctx, t, behavior)
		cmd.Stdout = stdout
		err := cmd.Run()
		if err != nil && ctx.Err() != nil {
			err = errors.Join(ctx.Err(), err)
		}
		return cmd.ProcessState, err
	})
}

// hang starts a command that never ends. It returns once the command is running.
func hang(ctx context.Context, t *testing.T) *future.Future[*os.ProcessState] {
	t.Helper()
	r, w := io.Pipe()
	f := run(ctx, t, "hang", w)
	f.AddDoneCallback(context.Background(), func(context.Context, *future.Future[*os.ProcessState]) { _ = w.Close() })
	line := must(ctx, t, future.Go(ctx, func(context.Context) (string, error) {
		return bufio.NewReader(r).ReadString('\n')
	}))
	if strings.TrimSpace(line) != "ready" {
		t.Fatalf("the child printed %q", line)
	}
	return f
}

func TestExecOutput(t *testing.T) {
	ctx := clientContext(t)
	futs := make([]*future.Future[string], 3)
	for i := range futs {
		var out bytes.Buffer
		futs[i] = future.Then(ctx, run(ctx, t, "print", &out),
			func(context.Context, *os.ProcessState) (string, error) { return out.String(), nil })
	}
	for _, out := range must(ctx, t, future.Gather(futs...)) {
		if out != "printed" {
			t.Fatalf("output %q", out)
		}
	}
}

func TestExecErrors(t *testing.T) {
	ctx := clientContext(t)
	var exit *exec.ExitError
	if err := mustFail(ctx, t, run(ctx, t, "fail", nil), future.Failed); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("error %v; want exit status 3", err)
	}
	mustFail(ctx, t, future.Go(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, exec.CommandContext(ctx, t.TempDir()+"/missing").Run()
	}), future.Failed, os.ErrNotExist)
}

// Canceling the future of a command kills the process. The future settles once the process
// is gone, with an error that has the cause and the exit status.
func TestExecCancellationKills(t *testing.T) {
	ctx := clientContext(t)
	reason := errors.New("reason")
	var exit *exec.ExitError
	f := hang(ctx, t)
	if !f.CancelCause(reason) {
		t.Fatalf("%v: not cancelled", f)
	}
	err := mustFail(ctx, t, f, future.Cancelled, future.ErrCancelled, context.Canceled, reason)
	if !errors.As(err, &exit) || exit.Success() {
		t.Fatalf("error %v; want the exit status of a killed process", err)
	}
	if err := checkGone(exit); err != nil {
		t.Fatal(err)
	}

	g := future.NewGroup(ctx)
	failure := errors.New("failure")
	f = hang(g.Context(), t)
	future.GoIn(g, func(context.Context) (int, error) { return 0, failure })
	if err := g.Wait(); err != failure {
		t.Fatalf("Wait: %v", err)
	}
	if _, err := f.Await(ctx); !f.Cancelled() || !errors.Is(err, failure) {
		t.Fatalf("%v: %v; want cancelled because of %v", f, err, failure)
	}
}

// checkGone returns an error if the process of exit still exists.
func checkGone(exit *exec.ExitError) error {
	p, err := os.FindProcess(exit.Pid())
	if err != nil {
		return nil // Windows finds only processes that exist
	}
	defer p.Release()
	if err := p.Signal(os.Kill); !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("process %d is not gone: %v", exit.Pid(), err)
	}
	return nil
}

// WithTimeout settles on time. The command is killed, and its future settles a little later.
func TestExecTimeoutKills(t *testing.T) {
	ctx := clientContext(t)
	f := hang(ctx, t)
	mustFail(ctx, t, future.WithTimeout(f, 10*time.Millisecond), future.Failed, future.ErrTimeout)
	mustFail(ctx, t, f, future.Cancelled, future.ErrTimeout)

	short, cancel := context.WithCancelCause(ctx)
	reason := errors.New("reason")
	f = hang(short, t)
	cancel(reason)
	mustFail(ctx, t, f, future.Cancelled, context.Canceled, reason)
}
