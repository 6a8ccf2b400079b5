package remote_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/channel-native/future/remote"
)

// The tests that kill run this binary again, in a role that the environment names. A process
// ends with its test at the latest: when its standard input is closed.
const (
	roleKey      = "FUTURE_REMOTE_TEST_ROLE"
	urlKey       = "FUTURE_REMOTE_TEST_URL"
	namespaceKey = "FUTURE_REMOTE_TEST_NAMESPACE"
	dirKey       = "FUTURE_REMOTE_TEST_DIR"
	jobsKey      = "FUTURE_REMOTE_TEST_JOBS"
)

var roles = map[string]func(context.Context) error{"worker": workerProcess, "caller": callerProcess, "server": serverProcess}

func runRole(role string) int {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := roles[role](ctx); err != nil {
		fmt.Fprintln(os.Stderr, role, err)
		return 1
	}
	return 0
}

func clientProcess(ctx context.Context) (*remote.Client, error) {
	nc, err := nats.Connect(os.Getenv(urlKey), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.RetryOnFailedConnect(true))
	if err != nil {
		return nil, err
	}
	return remote.Connect(ctx, nc, remote.Namespace(os.Getenv(namespaceKey)), remote.Lease(soon))
}

// workerProcess doubles numbers, and takes a few milliseconds for each.
func workerProcess(ctx context.Context) error {
	c, err := clientProcess(ctx)
	if err != nil {
		return err
	}
	w := remote.NewWorker(c, remote.Concurrency(4))
	remote.Handle(w, "double", func(ctx context.Context, n int) (int, error) {
		time.Sleep(rand.N(5 * time.Millisecond))
		return 2 * n, nil
	})
	fmt.Println("ready")
	return w.Run(ctx)
}

// callerProcess makes calls with ids that depend on their number only, and waits for them.
func callerProcess(ctx context.Context) error {
	c, err := clientProcess(ctx)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	n, err := strconv.Atoi(os.Getenv(jobsKey))
	if err != nil {
		return err
	}
	calls := make([]*remote.Call[int], n)
	for i := range calls {
		calls[i] = remote.Go[int](ctx, c, "double", i, remote.ID(callID(i)))
	}
	for _, call := range calls {
		if _, err := call.Await(ctx); err != nil {
			return err
		}
	}
	return nil
}

func callID(i int) string { return "job-" + strconv.Itoa(i) }

func serverProcess(ctx context.Context) error {
	n, err := remote.Open(ctx, os.Getenv(dirKey))
	if err != nil {
		return err
	}
	fmt.Println(n.URL())
	<-ctx.Done()
	return n.Close()
}

// A process is this binary in a role.
type process struct {
	*exec.Cmd
	stdin io.Closer
	first string // the first line that it has printed
}

// start starts a process, and waits for the first line that it prints.
func start(t testing.TB, role string, env map[string]string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0])}
	p.Env = append(os.Environ(), roleKey+"="+role)
	for key, value := range env {
		p.Env = append(p.Env, key+"="+value)
	}
	p.Stderr = os.Stderr
	stdin, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", role, err)
	}
	p.first = strings.TrimSpace(line)
	return p
}

// kill ends p at once, if it runs.
func (p *process) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

func (p *process) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}
