package conformance_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/channel-native/future"
)

// endless is a query that never ends.
const endless = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT max(i) FROM n`

func openSQL(ctx context.Context, t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "test.db")+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	must(ctx, t, exec1(ctx, db, `CREATE TABLE t (i INTEGER PRIMARY KEY)`))
	return db
}

func exec1(ctx context.Context, db *sql.DB, query string, args ...any) *future.Future[sql.Result] {
	return future.Go(ctx, func(ctx context.Context) (sql.Result, error) { return db.ExecContext(ctx, query, args...) })
}

func queryInt(ctx context.Context, db *sql.DB, query string, args ...any) *future.Future[int] {
	return future.Go(ctx, func(ctx context.Context) (i int, err error) {
		err = db.QueryRowContext(ctx, query, args...).Scan(&i)
		return i, err
	})
}

func TestSQLQueries(t *testing.T) {
	ctx := clientContext(t)
	db := openSQL(ctx, t)
	inserts := make([]*future.Future[sql.Result], 20)
	for i := range inserts {
		inserts[i] = exec1(ctx, db, `INSERT INTO t VALUES (?)`, i)
	}
	must(ctx, t, future.Gather(inserts...))
	total := future.Combine(ctx, queryInt(ctx, db, `SELECT count(*) FROM t`), queryInt(ctx, db, `SELECT sum(i) FROM t`),
		func(_ context.Context, count, sum int) ([2]int, error) { return [2]int{count, sum}, nil })
	if got := must(ctx, t, total); got != [2]int{20, 190} {
		t.Fatalf("count and sum %v", got)
	}

	if err := mustFail(ctx, t, queryInt(ctx, db, `SELECT i FROM t WHERE i > 99`), future.Failed); err != sql.ErrNoRows {
		t.Fatalf("error %v; want ErrNoRows itself", err)
	}
	mustFail(ctx, t, queryInt(ctx, db, `SELECT nonsense`), future.Failed)
}

// database/sql rolls back a transaction, and closes rows, when the context of the call ends.
// The context of a task does not end when its function returns, nor with its parent after
// that.
func TestSQLResultsOutliveTask(t *testing.T) {
	ctx := clientContext(t)
	db := openSQL(ctx, t)
	parent, cancel := context.WithCancel(ctx)
	begun := future.Go(parent, func(ctx context.Context) (*sql.Tx, error) { return db.BeginTx(ctx, nil) })
	tx := must(ctx, t, begun)
	cancel()
	must(ctx, t, future.After(context.Background(), 5*time.Millisecond)) // time for a rollback, if the context had ended
	for i := range 3 {
		if _, err := tx.ExecContext(ctx, `INSERT INTO t VALUES (?)`, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}

	parent, cancel = context.WithCancel(ctx)
	queried := future.Go(parent, func(ctx context.Context) (*sql.Rows, error) {
		return db.QueryContext(ctx, `SELECT i FROM t ORDER BY i`)
	})
	rows := must(ctx, t, queried)
	cancel()
	must(ctx, t, future.After(context.Background(), 5*time.Millisecond))
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil || n != 3 {
		t.Fatalf("%d rows, error %v", n, err)
	}
}

func TestSQLCancellationEndsQuery(t *testing.T) {
	ctx := clientContext(t)
	db := openSQL(ctx, t)
	reason := errors.New("reason")
	f := queryInt(ctx, db, endless)
	derived := future.Then(ctx, f, func(context.Context, int) (struct{}, error) { return struct{}{}, nil })
	for db.Stats().InUse == 0 { // until the query has a connection
		must(ctx, t, future.After(context.Background(), time.Millisecond))
	}
	derived.CancelCause(reason)
	mustFail(ctx, t, derived, future.Cancelled, reason)
	mustFail(ctx, t, f, future.Cancelled, reason, context.Canceled)

	// The connection is free again.
	if i := must(ctx, t, queryInt(ctx, db, `SELECT 7`)); i != 7 {
		t.Fatalf("got %d", i)
	}
}

func TestSQLContextEnds(t *testing.T) {
	ctx := clientContext(t)
	db := openSQL(ctx, t)
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	mustFail(ctx, t, queryInt(short, db, endless), future.Failed, context.DeadlineExceeded)

	f := queryInt(ctx, db, endless)
	mustFail(ctx, t, future.WithTimeout(f, 30*time.Millisecond), future.Failed, future.ErrTimeout)
	mustFail(ctx, t, f, future.Cancelled, future.ErrTimeout)

	// A statement that is canceled while it waits for a connection never runs.
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	waiting := exec1(ctx, db, `INSERT INTO t VALUES (1)`)
	for db.Stats().WaitCount == 0 {
		must(ctx, t, future.After(context.Background(), time.Millisecond))
	}
	waiting.Cancel()
	mustFail(ctx, t, waiting, future.Cancelled)
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if n := must(ctx, t, queryInt(ctx, db, `SELECT count(*) FROM t`)); n != 0 {
		t.Fatalf("%d rows", n)
	}
}

// The first failure of a group ends the queries of its other tasks, and the transaction
// that was begun with the context of the group.
func TestSQLGroupFailureRollsBack(t *testing.T) {
	ctx := clientContext(t)
	db := openSQL(ctx, t)
	failure := errors.New("failure")
	g := future.NewGroup(ctx)
	tx, err := db.BeginTx(g.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	inserted := future.GoIn(g, func(ctx context.Context) (sql.Result, error) { return tx.ExecContext(ctx, `INSERT INTO t VALUES (1)`) })
	must(ctx, t, inserted)
	future.GoIn(g, func(ctx context.Context) (i int, err error) {
		err = db.QueryRowContext(ctx, endless).Scan(&i)
		return i, err
	})
	future.GoIn(g, func(context.Context) (int, error) { return 0, failure })
	if err := g.Wait(); err != failure {
		t.Fatalf("Wait: %v", err)
	}
	if err := tx.Commit(); err == nil {
		t.Fatal("committed")
	}
	if n := must(ctx, t, queryInt(ctx, db, `SELECT count(*) FROM t`)); n != 0 {
		t.Fatalf("%d rows", n)
	}
}

func TestSQLClosedDatabase(t *testing.T) {
	ctx := clientContext(t)
	db := openSQL(ctx, t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	mustFail(ctx, t, queryInt(ctx, db, `SELECT 1`), future.Failed)
}
