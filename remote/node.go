package remote

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// A Node is an embedded NATS server with a client of it. [Open] returns one. Its methods are safe
// for concurrent use.
type Node struct {
	server *server.Server
	nc     *nats.Conn
	client *Client
	url    string
	once   sync.Once
}

// Open starts a server in this process, which stores its data in the directory dir, and returns
// it with a client. It creates dir if need be. Only one process at a time can open a directory.
// Worker processes on this machine connect to its URL: a port of the loopback interface with a
// token. Both are chosen when the directory is made, and kept in the file node.json there, so
// that workers find the server again after a restart. [Server] and [Conn] change all this.
//
// ctx bounds the start only. A Node must be closed.
func Open(ctx context.Context, dir string, opts ...Option) (*Node, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	n := new(Node)
	if err := n.open(ctx, dir, cfg); err != nil {
		_ = n.Close()
		return nil, fmt.Errorf("remote: Open %s: %w", dir, err)
	}
	return n, nil
}

func (n *Node) open(ctx context.Context, dir string, cfg *config) error {
	addr, err := addressOf(dir)
	if err != nil {
		return err
	}
	o := &server.Options{
		Host: "127.0.0.1", Port: addr.Port, Authorization: addr.Token,
		JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true,
		MaxPayload: int32(cfg.maxBytes + 2*headroom),
	}
	for _, change := range cfg.server {
		change(o)
	}
	if err := checkFree(o); err != nil {
		return err
	}
	if n.server, err = server.NewServer(o); err != nil {
		return err
	}
	n.server.Start()
	if !n.server.ReadyForConnections(until(ctx)) {
		return errors.New("the server does not get ready")
	}
	u, err := url.Parse(n.server.ClientURL())
	if err != nil {
		return err
	}
	if o.Authorization != "" {
		u.User = url.User(o.Authorization)
	}
	n.url = u.String()
	conn := append([]nats.Option{nats.InProcessServer(n.server), nats.Token(o.Authorization), nats.MaxReconnects(-1)}, cfg.conn...)
	if n.nc, err = nats.Connect(n.url, conn...); err != nil {
		return err
	}
	n.client, err = connect(ctx, n.nc, cfg)
	return err
}

// Client returns the client of the node, for calls and for workers in this process.
func (n *Node) Client() *Client { return n.client }

// URL returns the URL for worker processes. It contains the token.
func (n *Node) URL() string { return n.url }

// Close closes the client and stops the server. The data stay. It blocks until the server has
// stopped. Workers reconnect when the directory is opened again.
func (n *Node) Close() error {
	n.once.Do(func() {
		if n.client != nil {
			_ = n.client.Close()
		}
		if n.nc != nil {
			_ = n.nc.FlushTimeout(time.Second) // what Close has sent
			n.nc.Close()
		}
		if n.server != nil {
			n.server.Shutdown()
			n.server.WaitForShutdown()
		}
	})
	return nil
}

// An address is where the server of a directory listens.
type address struct {
	Port  int    `json:"port"`
	Token string `json:"token"`
}

// addressOf returns the address of dir, and makes it if there is none.
func addressOf(dir string) (a address, err error) {
	file := filepath.Join(dir, "node.json")
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeAddress(dir, file); err == nil || errors.Is(err, fs.ErrExist) {
			data, err = os.ReadFile(file)
		}
	}
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	return a, err
}

// makeAddress writes the file, unless it exists.
func makeAddress(dir, file string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	data, err := json.Marshal(address{l.Addr().(*net.TCPAddr).Port, rand.Text()})
	if err != nil {
		return err
	}
	temp := file + "." + rand.Text()
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return err
	}
	defer os.Remove(temp)
	return os.Link(temp, file) // unlike a rename, it does not replace the file
}

// checkFree returns an error if somebody listens on the port of o: perhaps another process that
// has opened the directory, whose files are to be left alone then.
func checkFree(o *server.Options) error {
	if o.DontListen || o.Port <= 0 {
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(o.Host, strconv.Itoa(o.Port)))
	if err != nil {
		return fmt.Errorf("is it open in another process? %w", err)
	}
	return l.Close()
}

// until returns how long it is until ctx ends, at most a minute.
func until(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(time.Until(deadline), time.Minute)
	}
	return time.Minute
}
