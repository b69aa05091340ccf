"use strict";
(() => {
	const data = JSON.parse(document.getElementById("data").textContent);
	const $ = (id) => document.getElementById(id);
	const ROW = 18, WIDTH = 10; // a box's height in pixels; numbers per node
	const KERNEL = 1, INLINED = 2;

	// Nodes in the order of a walk; x is where a box begins, in the graph's unit.
	const nodes = [];
	let depth = 0;
	for (let i = 0, open = []; i < data.nodes.length; i += WIDTH) {
		const r = data.nodes.slice(i, i + WIDTH);
		const n = { i: nodes.length, depth: r[0], name: data.strings[r[1]], module: data.strings[r[2]], file: data.strings[r[3]],
			line: r[4], flags: r[5], total: r[6], self: r[7], before: r[8], beforeSelf: r[9], children: [], parent: null, x: 0, hit: false };
		open.length = n.depth;
		if (n.depth > 0) {
			n.parent = open[n.depth - 1];
			n.parent.children.push(n);
		}
		open.push(n);
		nodes.push(n);
		depth = Math.max(depth, n.depth);
	}
	const root = nodes[0];

	let side = "total"; // or "before"
	const size = (n) => n[side];
	function place() {
		const next = new Map([[root, 0]]);
		for (const n of nodes) {
			if (n.parent) {
				n.x = next.get(n.parent);
				next.set(n.parent, n.x + size(n));
			} else {
				n.x = 0;
			}
			next.set(n, n.x);
		}
	}
	place();

	function format(v) {
		const scale = (step, units) => {
			let i = 0;
			for (; i + 1 < units.length && Math.abs(v) >= step; i++) v /= step;
			return (i ? v.toFixed(2) : String(v)) + " " + units[i];
		};
		if (data.unit === "nanoseconds") return scale(1000, ["ns", "µs", "ms", "s"]);
		if (data.unit === "bytes") return scale(1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
		return v.toLocaleString("en") + " " + data.what;
	}
	const percent = (v, of) => (of ? (100 * v / of).toFixed(2) : "0.00") + " %";
	// The share that a stack gained or lost, in both graphs' own totals.
	const change = (n) => (root.total ? n.total / root.total : 0) - (root.before ? n.before / root.before : 0);

	function describe(n) {
		const lines = [n.name + (n.flags & INLINED ? "  (inlined)" : "")];
		lines.push(`${format(n.total)}, ${percent(n.total, root.total)} of all` + (zoom !== root ? `, ${percent(n.total, zoom.total)} of ${zoom.name}` : ""));
		if (n.self) lines.push(`itself: ${format(n.self)}, ${percent(n.self, root.total)}`);
		if (data.diff) {
			const c = change(n);
			lines.push(`before: ${format(n.before)}, ${percent(n.before, root.before)}; ${c >= 0 ? "+" : ""}${(100 * c).toFixed(2)} % points`);
		}
		if (n.file) lines.push(n.line ? `${n.file}:${n.line}` : n.file);
		if (n.module) lines.push(n.module);
		return lines;
	}

	// Colours: by module, so that what belongs together looks alike; kernel
	// orange; in differences red grew, blue shrank.
	const dark = matchMedia("(prefers-color-scheme: dark)");
	function hash(s) {
		let h = 2166136261;
		for (let i = 0; i < s.length; i++) h = Math.imul(h ^ s.charCodeAt(i), 16777619);
		return h >>> 0;
	}
	function colour(n, faded) {
		const light = dark.matches ? 42 : 68, shift = hash(n.name) % 9 - 4;
		if (n.hit) return `hsl(300 75% ${light}%)`;
		if (data.diff) {
			const c = Math.max(-1, Math.min(1, change(n) * 8));
			if (Math.abs(c) < 0.004) return dark.matches ? "#555" : "#e4e4e4";
			return `hsl(${c > 0 ? 5 : 220} ${30 + 60 * Math.abs(c)}% ${light + (dark.matches ? -8 : 16) * (1 - Math.abs(c))}%)`;
		}
		if (n.depth === 0) return dark.matches ? "#555" : "#ccc";
		const hue = n.flags & KERNEL ? 28 : n.module === "[jit]" ? 130 : n.module === "" ? 210 : 40 + hash(n.module) % 120 * 1.4 + 150;
		return `hsl(${hue % 360} ${faded ? 25 : 62}% ${light + shift}%)`;
	}

	let zoom = root, flipped = false, hover = null, cursor = null;
	const canvas = $("canvas"), context = canvas.getContext("2d");
	let drawn = []; // boxes by row, for the mouse

	const rowAt = (y) => Math.floor(y / ROW);
	const top = (d) => (flipped ? d : depth - d) * ROW;

	function draw() {
		const width = canvas.clientWidth || 800, height = (depth + 1) * ROW, ratio = devicePixelRatio || 1;
		canvas.width = width * ratio;
		canvas.height = height * ratio;
		canvas.style.height = height + "px";
		context.setTransform(ratio, 0, 0, ratio, 0, 0);
		context.clearRect(0, 0, width, height);
		context.font = "12px system-ui, sans-serif";
		context.textBaseline = "middle";
		drawn = Array.from({ length: depth + 1 }, () => []);
		const scale = size(zoom) ? width / size(zoom) : 0;
		const ancestors = new Set();
		for (let n = zoom.parent; n; n = n.parent) ancestors.add(n);
		const paint = (n, x, w, faded) => {
			drawn[n.depth].push([x, w, n]);
			const y = top(n.depth);
			context.globalAlpha = faded ? 0.55 : 1;
			context.fillStyle = colour(n, faded);
			context.fillRect(x, y, Math.max(w - 0.6, 0.4), ROW - 1);
			if (n === cursor || n === hover) {
				context.strokeStyle = dark.matches ? "#fff" : "#000";
				context.strokeRect(x + 0.5, y + 0.5, Math.max(w - 1.6, 1), ROW - 2);
			}
			if (w > 28) {
				context.fillStyle = dark.matches ? "#fff" : "#111";
				context.fillText(fit(n.name, w - 8), x + 4, y + ROW / 2);
			}
			context.globalAlpha = 1;
		};
		for (let i = 0; i < nodes.length; i++) {
			const n = nodes[i];
			if (ancestors.has(n)) {
				paint(n, 0, width, true);
				continue;
			}
			const x = (n.x - zoom.x) * scale, w = size(n) * scale;
			if (w < 0.3 || x + w <= 0 || x >= width || n.depth < zoom.depth) {
				i = last(n); // none of what it calls is seen, either
				continue;
			}
			paint(n, x, w, false);
		}
	}
	// The last node of a subtree.
	function last(n) {
		while (n.children.length) n = n.children[n.children.length - 1];
		return n.i;
	}
	function fit(text, w) {
		if (context.measureText(text).width <= w) return text;
		let low = 0, high = text.length;
		while (low < high) {
			const mid = (low + high + 1) >> 1;
			if (context.measureText(text.slice(0, mid) + "…").width <= w) low = mid;
			else high = mid - 1;
		}
		return low > 1 ? text.slice(0, low) + "…" : "";
	}

	function at(event) {
		const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, row = rowAt(event.clientY - box.top);
		const d = flipped ? row : depth - row;
		for (const [bx, bw, n] of drawn[d] || []) if (x >= bx && x < bx + Math.max(bw, 1)) return n;
		return null;
	}
	function show(n) { $("status").textContent = n ? describe(n).join(" — ") : ""; }
	function go(n) {
		zoom = n;
		cursor = n;
		draw();
		show(n);
		remember();
	}

	canvas.addEventListener("mousemove", (e) => {
		const n = at(e);
		if (n !== hover) {
			hover = n;
			draw();
			show(n || cursor);
		}
		const tip = $("tip");
		tip.hidden = !n;
		if (!n) return;
		tip.textContent = describe(n).join("\n");
		tip.style.left = Math.max(0, Math.min(e.clientX + 14, innerWidth - tip.offsetWidth - 8)) + "px";
		tip.style.top = Math.max(0, Math.min(e.clientY + 16, innerHeight - tip.offsetHeight - 8)) + "px";
	});
	canvas.addEventListener("mouseleave", () => {
		hover = null;
		$("tip").hidden = true;
		draw();
	});
	canvas.addEventListener("click", (e) => {
		const n = at(e);
		if (n) go(n);
		$("graph").focus({ preventScroll: true });
	});

	// Search: a regular expression; what is matched is counted once per stack.
	function search(text, write = true) {
		let re = null;
		$("search").classList.remove("bad");
		try {
			re = text ? new RegExp(text, "i") : null;
		} catch {
			$("search").classList.add("bad");
		}
		let sum = 0, covered = -1;
		for (const n of nodes) {
			n.hit = !!re && n.depth > 0 && (re.test(n.name) || (n.module !== "" && re.test(n.module)));
			if (n.hit && n.i > covered) {
				sum += n.total;
				covered = last(n);
			}
		}
		$("matched").textContent = re ? `${percent(sum, root.total)} matched` : "";
		draw();
		if (write) remember();
	}
	$("search").addEventListener("input", (e) => search(e.target.value));
	$("bar").addEventListener("submit", (e) => { e.preventDefault(); $("graph").focus(); });

	const flip = () => { flipped = !flipped; draw(); remember(); };
	const swap = () => {
		side = side === "total" ? "before" : "total";
		$("side").textContent = side === "total" ? "widths of before" : "widths of after";
		place();
		draw();
	};
	$("reset").addEventListener("click", () => go(root));
	$("flip").addEventListener("click", flip);
	$("list").addEventListener("click", table);
	$("side").hidden = !data.diff;
	$("side").addEventListener("click", swap);

	// Keys. The cursor moves among boxes; up is towards what is called.
	function sibling(n, step) {
		if (!n.parent) return n;
		const all = n.parent.children.filter(size);
		return all[all.indexOf(n) + step] || n;
	}
	const widest = (n) => n.children.reduce((a, b) => (size(b) > (a ? size(a) : 0) ? b : a), null) || n;
	const keys = {
		ArrowUp: () => move(flipped ? cursor.parent || cursor : widest(cursor)),
		ArrowDown: () => move(flipped ? widest(cursor) : cursor.parent || cursor),
		ArrowLeft: () => move(sibling(cursor, -1)),
		ArrowRight: () => move(sibling(cursor, 1)),
		Enter: () => go(cursor),
		Backspace: () => go(zoom.parent || root),
		Escape: () => { $("search").value = ""; search(""); go(root); },
		"/": () => $("search").focus(),
		f: flip, t: table, d: () => data.diff && swap(),
		n: () => move(nodes.slice(cursor.i + 1).find((n) => n.hit) || nodes.find((n) => n.hit) || cursor),
	};
	function move(n) {
		cursor = n;
		const inZoom = n.i >= zoom.i && n.i <= last(zoom);
		if (!inZoom) return go(n);
		draw();
		show(n);
	}
	document.addEventListener("keydown", (e) => {
		if (e.ctrlKey || e.metaKey || e.altKey) {
			if ((e.ctrlKey || e.metaKey) && e.key === "f") {
				e.preventDefault();
				$("search").focus();
			}
			return;
		}
		if (e.target === $("search")) {
			if (e.key === "Escape") $("graph").focus();
			return;
		}
		if (e.target.tagName === "BUTTON" && e.key === "Enter") return;
		cursor = cursor || zoom;
		if (keys[e.key]) {
			e.preventDefault();
			keys[e.key]();
		}
	});

	// The table of functions, by what they do themselves.
	function table() {
		const t = $("table");
		t.hidden = !t.hidden;
		if (t.hidden || t.tBodies[0].rows.length) return;
		const sums = new Map(), open = [];
		for (const n of nodes.slice(1)) {
			open.length = n.depth - 1;
			const s = sums.get(n.name) || { name: n.name, self: 0, total: 0, before: 0 };
			s.self += n.self;
			s.before += n.beforeSelf;
			if (!open.includes(n.name)) s.total += n.total;
			sums.set(n.name, s);
			open.push(n.name);
		}
		const cell = (row, text) => { row.insertCell().textContent = text; };
		const head = ["itself", "", "total", "", ...(data.diff ? ["before"] : []), "function"];
		for (const h of head) {
			const th = document.createElement("th");
			th.textContent = h;
			t.tHead.rows[0].append(th);
		}
		for (const s of [...sums.values()].sort((a, b) => b.self - a.self || b.total - a.total).slice(0, 200)) {
			const row = t.tBodies[0].insertRow();
			cell(row, format(s.self));
			cell(row, percent(s.self, root.total));
			cell(row, format(s.total));
			cell(row, percent(s.total, root.total));
			if (data.diff) cell(row, percent(s.before, root.before));
			cell(row, s.name);
			row.addEventListener("click", () => {
				$("search").value = "^" + s.name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") + "$";
				search($("search").value);
			});
		}
	}

	// The address keeps what is looked at: #z=NODE&q=SEARCH&f=1
	function remember() {
		const p = new URLSearchParams();
		if (zoom !== root) p.set("z", zoom.i);
		if ($("search").value) p.set("q", $("search").value);
		if (flipped) p.set("f", "1");
		history.replaceState(null, "", "#" + p);
	}
	const p = new URLSearchParams(location.hash.slice(1));
	flipped = p.get("f") === "1";
	zoom = cursor = nodes[Number(p.get("z")) || 0] || root;
	$("search").value = p.get("q") || "";
	search($("search").value, false);
	show(null);
	addEventListener("resize", draw);
	dark.addEventListener("change", draw);
})();
