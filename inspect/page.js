"use strict";
(() => {
	const element = (id) => document.getElementById(id);
	const table = element("rows"), live = element("live"), form = element("filter");
	let events = null;  // the stream of updates, unless paused
	let paused = false;
	let behind = 0;     // how many milliseconds the clock of this browser is behind the server's
	let timer = 0;

	// ageText is the function of the same name in the package.
	function ageText(ms) {
		const s = Math.floor(ms / 1000), two = (n) => String(n).padStart(2, "0");
		if (s < 10) return (Math.floor(ms / 100) / 10).toFixed(1) + "s";
		if (s < 60) return s + "s";
		if (s < 3600) return Math.floor(s / 60) + "m" + two(s % 60) + "s";
		if (s < 86400) return Math.floor(s / 3600) + "h" + two(Math.floor(s / 60) % 60) + "m";
		return Math.floor(s / 86400) + "d" + two(Math.floor(s / 3600) % 24) + "h";
	}

	// tick writes all times anew.
	function tick() {
		const now = Date.now() + behind;
		for (const t of document.querySelectorAll("time[data-ms]")) {
			const text = ageText(Math.abs(now - t.dataset.ms));
			if (t.textContent !== text) t.textContent = text;
		}
	}

	// replace puts a row in the place of its older version. What was open and focused in it stays so.
	function replace(old, row) {
		const was = old.querySelectorAll("details"), is = row.querySelectorAll("details");
		is.forEach((d, i) => { d.open = was[i]?.open ?? false; });
		const focused = [...old.querySelectorAll("a")].indexOf(document.activeElement);
		old.replaceWith(row);
		if (focused >= 0) row.querySelectorAll("a")[focused]?.focus();
	}

	// update applies an update of the server.
	function update(u) {
		if (u.reload) return location.reload();
		behind = u.now - Date.now();
		for (const [id, html] of Object.entries(u.parts ?? {})) element(id).innerHTML = html;
		for (const [key, html] of Object.entries(u.rows ?? {})) {
			const template = document.createElement("template");
			template.innerHTML = html;
			const row = template.content.firstElementChild, old = element(key);
			if (old) replace(old, row);
			else table.append(row);
		}
		if (u.order) {
			const stay = new Set(u.order);
			for (const row of [...table.tBodies]) if (!stay.has(row.id)) row.remove();
			let at = table.tBodies[0];
			for (const key of u.order) {
				const row = element(key);
				if (row === at) at = at.nextElementSibling;
				else table.insertBefore(row, at ?? null);
			}
		}
		tick();
	}

	// show shows whether the page is up to date.
	function show(state, text) {
		live.className = state;
		live.textContent = text;
		live.title = paused ? "go on" : "pause";
	}

	// connect asks for the updates of the address of the page, and of no earlier one.
	function connect() {
		events?.close();
		events = null;
		if (paused) return show("", "paused");
		if (document.hidden) return;
		const query = new URLSearchParams(location.search);
		query.set("format", "events");
		const source = events = new EventSource("?" + query);
		source.onopen = () => show("live", "live");
		source.onmessage = (e) => { if (source === events) update(JSON.parse(e.data)); };
		source.onerror = () => {
			if (source !== events) return;
			show("lost", "not connected");
			if (source.readyState === EventSource.CLOSED) setTimeout(() => { if (source === events) connect(); }, 3000);
		};
	}

	// go shows another address of the page.
	function go(address, how) {
		history[how](null, "", address);
		paused = false;
		connect();
	}

	document.addEventListener("click", (e) => {
		if (e.ctrlKey || e.metaKey || e.shiftKey || e.button !== 0) return;
		let link = e.target.closest("a.nav");
		if (!link && !e.target.closest("a, details") && getSelection().isCollapsed) {
			link = e.target.closest("#rows > tbody > tr:first-child")?.querySelector("a.toggle");
		}
		if (!link) return;
		e.preventDefault();
		go(link.getAttribute("href"), "pushState");
		form.q.value = new URLSearchParams(location.search).get("q") ?? "";
	});

	// filter shows what the filter finds.
	function filter() {
		clearTimeout(timer);
		const query = new URLSearchParams(location.search);
		query.delete("open");
		if (form.q.value) query.set("q", form.q.value);
		else query.delete("q");
		go("?" + query, "replaceState");
	}
	form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(filter, 200); });
	form.addEventListener("submit", (e) => { e.preventDefault(); filter(); });

	live.addEventListener("click", () => { paused = !paused; connect(); });
	addEventListener("popstate", () => {
		form.q.value = new URLSearchParams(location.search).get("q") ?? "";
		connect();
	});
	document.addEventListener("visibilitychange", () => {
		if (!document.hidden) return connect();
		events?.close();
		events = null;
	});
	setInterval(() => { if (!paused) tick(); }, 1000);
	live.hidden = false;
	show("", "connecting");
	connect();
})();
