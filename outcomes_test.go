package future_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario E9
func TestOutcomes_EveryOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(6)
		s := future.Outcomes(fs...)
		calls := countCalls(s)
		steps := []func(){
			5: func() { ps[0].SetResult(10) },
			3: func() { ps[1].SetError(errE1) },
			4: func() { ps[2].CancelCause(errE) },
			0: func() { ps[3].SetResult(13) },
			1: func() { ps[4].Cancel() },
			2: func() { ps[5].SetError(errE2) },
		}
		for _, step := range steps {
			synctest.Wait()
			futuretest.WantPending(t, s)
			step()
		}
		synctest.Wait()
		got, err := s.Result()
		if err != nil || len(got) != 6 || s.State() != future.Succeeded {
			t.Fatalf("Result() = %v, %v", got, err)
		}
		for i, f := range fs {
			v, err := f.Result()
			if got[i].Value != v || got[i].Err != err {
				t.Errorf("outcome %d is %v; want %v, %v", i, got[i], v, err)
			}
		}
		if !errors.Is(got[2].Err, future.ErrCancelled) || !errors.Is(got[2].Err, errE) || !errors.Is(got[4].Err, future.ErrCancelled) {
			t.Errorf("canceled outcomes are %v and %v", got[2], got[4])
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("callback ran %d times; want 1", n)
		}
	})
}

// Scenario E13
func TestOutcomes_Cancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(3)
		ps[0].SetError(errE1)
		s := future.Outcomes(fs...)
		if !s.CancelCause(errE) {
			t.Fatal("CancelCause() = false on a pending future")
		}
		futuretest.WantCancelled(t, s, errE)
		synctest.Wait()
		futuretest.WantFailed(t, fs[0], errE1)
		futuretest.WantCancelled(t, fs[1], errE)
		futuretest.WantCancelled(t, fs[2], errE)
		if v, _ := s.Result(); v != nil {
			t.Fatalf("a canceled Outcomes has the value %v", v)
		}
	})
}

func TestOutcome_Get(t *testing.T) {
	if v, err := (future.Outcome[int]{Value: 1}).Get(); v != 1 || err != nil {
		t.Errorf("Get() = %v, %v", v, err)
	}
	if v, err := (future.Outcome[int]{Err: errE}).Get(); v != 0 || err != errE {
		t.Errorf("Get() = %v, %v", v, err)
	}
}
