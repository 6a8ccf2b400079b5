package future

// An entrant is a child that is about to be handed to its executor.
type entrant interface {
	job
	isSettled() bool
	post()
	markQueued() bool
}

// start hands c to the executor of place, at once if that does not make it wait.
func (g *Group) start(c entrant, place *placement) {
	if place.try == nil || g.ctx.Err() != nil {
		c.post()
		return
	}
	if !c.markQueued() {
		return // it was cancelled
	}
	g.mu.Lock()
	waits := g.feeding // behind others, in order
	g.mu.Unlock()
	if !waits && place.tryExecute(c) == nil {
		return
	}
	g.mu.Lock()
	g.backlog = append(g.backlog, c)
	waits = g.feeding
	g.feeding = true
	g.mu.Unlock()
	if !waits {
		go g.feed(place)
	}
}

// feed hands over the backlog, and waits for room.
func (g *Group) feed(place *placement) {
	returned := false
	defer func() {
		if !returned { // the executor, or what a refusal led to, has called Goexit
			go g.feed(place)
		}
	}()
	for c := g.nextInBacklog(); c != nil; c = g.nextInBacklog() {
		if c.isSettled() {
			continue
		}
		if err := place.execute(c.admission(), c); err != nil {
			c.refuse(err).run(nil)
		}
	}
	returned = true
}

// nextInBacklog returns nil if there is none, and notes that nobody feeds any more.
func (g *Group) nextInBacklog() (c entrant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.backlog) == 0 {
		g.backlog, g.feeding = nil, false
		return nil
	}
	c, g.backlog[0] = g.backlog[0], nil
	g.backlog = g.backlog[1:]
	return c
}
