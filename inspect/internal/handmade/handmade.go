// Package handmade makes snapshots of a web shop that does not exist, for the tests of the page and
// for screenshots.
package handmade

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/inspect/internal/served"
	"github.com/channel-native/future/pool"
)

// Handler returns the handler of the page for the snapshots that take returns.
func Handler(take func() *inspect.Snapshot) http.Handler { return served.Handler(take) }

// A Shop makes a snapshot, one future after the other.
type Shop struct {
	*inspect.Snapshot
	index map[uint64]int // of a future in Futures
	next  uint64
}

// New returns a Shop whose snapshot was taken now, and has no futures.
func New(now time.Time) *Shop {
	return &Shop{
		Snapshot: &inspect.Snapshot{Taken: now, Since: now.Add(-26 * time.Hour)},
		index:    make(map[uint64]int),
		next:     4100,
	}
}

// The functions and places of the shop.
const (
	shop = "github.com/acme/shop/internal/"
	dir  = "/src/github.com/acme/shop/internal/"
)

// Frame returns a call in the shop, such as "checkout.(*Service).Page".
func Frame(name, file string, line int) inspect.Frame {
	return inspect.Frame{Func: shop + name, File: dir + file, Line: line}
}

// serve is the calls below every handler.
var serve = []inspect.Frame{
	Frame("web.(*Server).ServeHTTP", "web/server.go", 61),
	{Func: "net/http.serverHandler.ServeHTTP", File: "/usr/lib/go/src/net/http/server.go", Line: 3311},
	{Func: "net/http.(*conn).serve", File: "/usr/lib/go/src/net/http/server.go", Line: 2073},
}

// calls returns a stack of calls that a handler has made.
func calls(frames ...inspect.Frame) []inspect.Frame { return append(frames, serve...) }

// Add adds a future of a given age, and returns its ID.
func (s *Shop) Add(age time.Duration, item inspect.Item) uint64 {
	s.next++
	item.ID = s.next
	item.Created = s.Taken.Add(-age)
	s.index[item.ID] = len(s.Futures)
	s.Futures = append(s.Futures, item)
	return item.ID
}

// Wait lets the future from wait for the future to: e says how, and begins age ago.
func (s *Shop) Wait(from, to uint64, age time.Duration, e inspect.Edge) {
	if age > 0 {
		e.Since = s.Taken.Add(-age)
	}
	if i, ok := s.index[from]; ok {
		e.ID = to
		s.Futures[i].WaitsFor = append(s.Futures[i].WaitsFor, e)
	}
	if i, ok := s.index[to]; ok {
		e.ID = from
		s.Futures[i].Waiters = append(s.Futures[i].Waiters, e)
	}
}

// Done sorts the futures, oldest first, and returns the snapshot.
func (s *Shop) Done() *inspect.Snapshot {
	slices.SortStableFunc(s.Futures, func(a, b inspect.Item) int { return a.Created.Compare(b.Created) })
	return s.Snapshot
}

var (
	input = inspect.Edge{What: "input"}

	pageAt   = calls(Frame("checkout.(*Service).Page", "checkout/page.go", 48))
	userAt   = calls(Frame("checkout.(*Service).Page.func1", "checkout/page.go", 31), Frame("checkout.(*Service).Page", "checkout/page.go", 30))
	ordersAt = calls(Frame("checkout.(*Service).Page", "checkout/page.go", 36))
	adsAt    = calls(Frame("ads.(*Client).Banner", "ads/client.go", 112), Frame("checkout.(*Service).Page", "checkout/page.go", 41))
	loadAt   = calls(Frame("users.(*Loader).Load", "users/loader.go", 77), Frame("checkout.(*Service).Page.func1", "checkout/page.go", 32))
	thumbAt  = calls(Frame("media.(*Thumbnailer).Thumbnails", "media/thumbs.go", 203), Frame("catalog.(*Service).Product", "catalog/product.go", 95))
	rpcAt    = []inspect.Frame{Frame("rpc.(*Conn).Call", "rpc/conn.go", 164), Frame("inventory.(*Client).ReserveAllItemsOfCartWithRetries.func2.1", "inventory/reserve_with_retries.go", 1188)}
	handler  = calls(Frame("checkout.(*Service).Page", "checkout/page.go", 52))
)

// Page adds what one request to the shop waits for: a handler in Await for two parts, one of which
// comes after the user, the other one with a hedge and a timeout.
func (s *Shop) Page(age time.Duration) (page uint64) {
	load := s.Add(age, inspect.Item{Type: "future.Future[*users.User]", Kind: "flight call", Func: shop + "users.(*Loader).query", Executor: `pool "db"`, State: "running", At: loadAt})
	user := s.Add(age, inspect.Item{Type: "future.Future[*users.User]", Kind: "task", Func: shop + "checkout.(*Service).Page.func1", Executor: `pool "db"`, State: "running", At: userAt})
	orders := s.Add(age, inspect.Item{Type: "future.Future[[]orders.Order]", Kind: "then", Func: shop + "orders.(*Service).OfUser", Executor: `pool "db"`, State: "pending", At: ordersAt})
	first := s.Add(age, inspect.Item{Type: "future.Future[ads.Banner]", Kind: "hedge attempt", Func: shop + "ads.(*Client).fetch", Executor: "goroutines", State: "running", At: adsAt})
	second := s.Add(age-20*time.Millisecond, inspect.Item{Type: "future.Future[ads.Banner]", Kind: "hedge attempt", Func: shop + "ads.(*Client).fetch", Executor: "goroutines", State: "canceling", At: adsAt})
	hedge := s.Add(age, inspect.Item{Type: "future.Future[ads.Banner]", Kind: "hedge", Func: shop + "ads.(*Client).fetch", State: "pending", At: adsAt})
	bound := s.Add(age, inspect.Item{Type: "future.Future[ads.Banner]", Kind: "timeout", State: "pending", Deadline: s.Taken.Add(40 * time.Second), At: ordersAt})
	page = s.Add(age, inspect.Item{Type: "future.Future[[]string]", Kind: "gather", State: "pending", At: pageAt, Callbacks: 1})
	s.Wait(user, load, age-time.Millisecond, inspect.Edge{What: "Await", Stack: loadAt[1:]})
	s.Wait(orders, user, 0, input)
	s.Wait(hedge, first, 0, inspect.Edge{What: "input", Any: true})
	s.Wait(hedge, second, 0, inspect.Edge{What: "input", Any: true})
	s.Wait(bound, hedge, 0, input)
	s.Wait(page, orders, 0, input)
	s.Wait(page, bound, 0, input)
	s.Wait(0, page, age-time.Millisecond, inspect.Edge{What: "Await", Until: s.Taken.Add(12 * time.Second), Stack: handler})
	return page
}

// Reply adds a reply that a connection waits for.
func (s *Shop) Reply(age time.Duration) uint64 {
	return s.Add(age, inspect.Item{Type: "future.Future[rpc.Reply]", Kind: "promise", State: "pending", At: rpcAt})
}

// Thumbnail adds a task of a full pool.
func (s *Shop) Thumbnail(age time.Duration, state string) uint64 {
	return s.Add(age, inspect.Item{Type: "future.Future[image.Image]", Kind: "task", Func: shop + "media.(*Thumbnailer).scale[go.shape.*image.RGBA]", Executor: `pool "thumbs"`, State: state, At: thumbAt})
}

// Ring adds n tasks that wait for each other.
func (s *Shop) Ring(class string, n int, age time.Duration) {
	r := inspect.Ring{Class: class}
	var until time.Time
	if class == "until" {
		r.Until = s.Taken.Add(47 * time.Second)
		until = r.Until
	}
	names := []string{"cart.(*Cart).lock", "inventory.(*Client).reserve", "payment.(*Gate).authorize"}
	for i := range n {
		name := names[i%len(names)]
		r.IDs = append(r.IDs, s.Add(age-time.Duration(i)*time.Second, inspect.Item{
			Type: "future.Future[struct {}]", Kind: "task", Func: shop + name, Executor: `pool "db"`, State: "running",
			At: calls(Frame("cart.(*Service).Order", "cart/order.go", 120+10*i)),
		}))
	}
	for i, id := range r.IDs {
		s.Wait(id, r.IDs[(i+1)%n], age-5*time.Second, inspect.Edge{
			What: "Await", Any: class == "possible", Until: until,
			Stack: []inspect.Frame{Frame(names[i%len(names)], "cart/locks.go", 40+i)}, Outside: class == "deadlock" && i == 1,
		})
	}
	s.Rings = append(s.Rings, r)
}

// Pool adds a pool.
func (s *Shop) Pool(name string, stats pool.Stats) {
	stats.Running = stats.Active + stats.Parked
	stats.Workers = stats.Running + 1
	stats.Completed = 81_293
	stats.Submitted = stats.Completed + uint64(stats.Running+stats.Queued)
	s.Pools = append(s.Pools, inspect.PoolItem{Name: name, Stats: stats})
}

// Small returns a snapshot with one of each.
func Small(now time.Time) *inspect.Snapshot {
	s := New(now)
	s.Abandoned, s.Dropped = 2, 7
	page := s.Page(3200 * time.Millisecond)
	for range 2 {
		s.Wait(0, page, time.Second, inspect.Edge{What: "Wait", Any: true, Stack: handler})
	}
	s.Reply(90 * time.Second)
	s.Reply(5 * time.Minute)
	s.Thumbnail(2*time.Second, "queued")
	s.Thumbnail(26*time.Hour, "running")
	s.Ring("deadlock", 3, 4*time.Minute)
	s.Ring("until", 2, 13*time.Second)
	gone := s.Add(time.Second, inspect.Item{Type: "future.Future[int]", Kind: "then", Func: shop + "main.main.func1", Executor: "inline", State: "pending"})
	s.Wait(gone, 4099, 0, input)
	s.Pool("thumbs", pool.Stats{Limit: 8, Active: 8, Parked: 2, Queued: 30, Refused: 1})
	s.Pool("", pool.Stats{Limit: 4})
	return s.Done()
}

// Busy returns a snapshot of n pending futures: requests, replies, a full pool, rings and abandoned
// futures. From 10,000 on they were made at hundreds of places.
func Busy(now time.Time, n int) *inspect.Snapshot {
	s := New(now)
	s.Pool("db", pool.Stats{Limit: 16, Active: min(16, n/20), Parked: min(5, n/100), Queued: 0})
	if n < 50 {
		for len(s.Futures) < n {
			s.Reply(time.Duration(3*len(s.Futures)+1) * time.Second)
		}
		return s.Done()
	}
	s.Abandoned = 3
	s.Ring("deadlock", 3, 4*time.Minute)
	s.Ring("until", 2, 13*time.Second)
	s.Ring("possible", 2, 40*time.Second)
	s.Pool("thumbs", pool.Stats{Limit: 8, Active: 8, Queued: n / 5, Refused: 12})
	s.Pool("", pool.Stats{Limit: 4})
	for i := range n / 5 {
		s.Thumbnail(time.Duration(i)*7*time.Millisecond+time.Second, "queued")
	}
	for i := range 8 {
		s.Thumbnail(time.Duration(i)*70*time.Millisecond+65*time.Second, "running")
	}
	for i := range n / 40 {
		s.Page(time.Duration(i%200)*11*time.Millisecond + 1800*time.Millisecond)
	}
	places := 7
	if n >= 10_000 {
		places = 700
	}
	for i := 0; len(s.Futures) < n; i++ {
		id := s.Reply(time.Duration(i) * 31 * time.Millisecond)
		if place := i % places; place > 0 {
			item := &s.Futures[s.index[id]]
			item.At = append([]inspect.Frame{Frame(fmt.Sprintf("plugin%03d.(*Client).Send", place), "plugin/client.go", place)}, item.At...)
		}
	}
	return s.Done()
}
