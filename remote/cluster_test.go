package remote_test

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/channel-native/future/remote"
)

// startCluster starts three servers that replicate streams among each other.
func startCluster(t *testing.T) (servers []*server.Server) {
	t.Helper()
	var routes []*url.URL
	var ports []int
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		_ = l.Close()
	}
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("s%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(),
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port}, Routes: routes,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { stopServer(s) })
		servers = append(servers, s)
	}
	for _, s := range servers {
		if !s.ReadyForConnections(20 * time.Second) {
			t.Fatal("a server does not get ready")
		}
	}
	return servers
}

func stopServer(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// The leaders of the streams of jobs and of outcomes end while calls are made good.
func TestCluster_LosesItsLeader(t *testing.T) {
	t.Parallel()
	servers := startCluster(t)
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.ClientURL())
	}
	all := strings.Join(urls, ",")
	nc := dial(t, all)
	r := newTrial(t, nc, all, remote.Replicas(3))
	work(t, r.c, doubles)
	work(t, connectTo(t, dial(t, all), remote.Namespace(r.env[namespaceKey])), doubles)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	leader := func(stream string) (name string) {
		eventually(t, r.ctx, func() error {
			s, err := js.Stream(r.ctx, remote.StreamName(r.c, stream))
			if err == nil {
				if name = s.CachedInfo().Cluster.Leader; name == "" {
					err = fmt.Errorf("%s has no leader", stream)
				}
			}
			return err
		})
		return name
	}
	r.call(plain)
	r.during(1, func(int) {
		name := leader("OUT")
		for _, s := range servers {
			if s.Name() == name {
				stopServer(s) // two are left, which is enough
			}
		}
	})
	r.verify(nc)
}
