"use strict";
// The page of an atlas: unpack, draw, move, find, tell. No library, no request.
(async () => {
  const $ = id => document.getElementById(id);
  const root = document.documentElement;
  const fail = text => { $("message").textContent = text; $("message").hidden = false; root.dataset.error = text; };
  window.addEventListener("error", event => fail(`This page failed: ${event.message}`));
  window.addEventListener("unhandledrejection", event => { event.preventDefault(); fail(`This page failed: ${event.reason}`); });
  if (!window.DecompressionStream) return fail("This page needs a browser of 2023 or later: it cannot unpack the map.");

  const bytesOf = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const stream = new Blob([bytesOf($("data").textContent)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const data = JSON.parse(await new Response(stream).text());
  const { names, size, labels } = data, count = names.length;
  const positions = new Uint16Array(bytesOf(data.positions).buffer), z = new Int8Array(bytesOf(data.z).buffer);
  for (const column of data.columns) column.values = new (column.kind === "class" ? Uint16Array : Float32Array)(bytesOf(column.values).buffer);
  const drawn = data.drawn;
  if (drawn) {
    drawn.values = new ({ 1: Uint8Array, 2: Uint16Array, 4: Uint32Array })[drawn.bytes](bytesOf(drawn.values).buffer);
    if (drawn.strengths) drawn.strengths = bytesOf(drawn.strengths);
  }
  const at = row => [positions[2 * row] / 65535, positions[2 * row + 1] / 65535];

  // --- colours ---
  // Okabe and Ito's, which most eyes tell apart, then hues around the circle
  const clear = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#8c6d31", "#9467bd"];
  const viridis = ["#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const rgb = hex => [1, 3, 5].map(start => parseInt(hex.slice(start, start + 2), 16));
  const css = name => getComputedStyle(root).getPropertyValue(name).trim();
  const hsl = (hue, light) => {
    const part = n => { const k = (n + hue / 30) % 12; return Math.round(255 * (light - 0.32 * Math.max(-1, Math.min(k - 3, 9 - k, 1)))); };
    return [part(0), part(8), part(4)];
  };
  const ramp = share => {
    const place = share * (viridis.length - 1), low = Math.min(Math.floor(place), viridis.length - 2), a = rgb(viridis[low]), b = rgb(viridis[low + 1]);
    return a.map((value, part) => Math.round(value + (place - low) * (b[part] - value)));
  };
  const ofClass = place => place < clear.length ? rgb(clear[place]) : hsl(137.5 * place % 360, dark.matches ? 0.62 : 0.45);
  const colourOf = (column, row) => {
    const value = column.values[row];
    if (column.kind === "class") return ofClass(value);
    if (Number.isNaN(value)) return rgb(dark.matches ? "#4a515b" : "#c3c8ce");
    if (column.kind === "angle") return hsl((value % 360 + 360) % 360, 0.52);
    return ramp(Math.max(0, Math.min(1, (value - column.low) / (column.high - column.low || 1)))); // ends are rounded otherwise
  };
  const shown = (column, row) => {
    const value = column.values[row];
    if (column.kind === "class") return column.texts[value];
    if (Number.isNaN(value)) return "–";
    return column.whole ? String(value) : String(+value.toPrecision(4));
  };

  // --- what is looked at ---
  const points = $("points"), ink = $("ink"), box = $("map");
  const view = { x: 0.5, y: 0.5, scale: 1 };
  let column = data.columns[0], colours = new Uint8Array(3 * count), chosen = -1, hovered = -1, width = 1, height = 1, ratio = 1;
  const side = () => Math.min(width, height) * 0.86 * view.scale;
  const screen = row => { const [x, y] = at(row); return [width / 2 + (x - view.x) * side(), height / 2 - (y - view.y) * side()]; };
  const radius = () => Math.max(1.6, Math.min(8, (count > 3000 ? 2.1 : count > 300 ? 3.4 : 5.5) * Math.pow(view.scale, 0.3)));

  function recolour() {
    for (let row = 0; row < count; ++row) colours.set(column ? colourOf(column, row) : rgb("#1f4e9e"), 3 * row);
    legend();
    draw();
  }

  // Dots are blended into the pixels here: ten thousand of them take a few milliseconds, whatever draws the canvas.
  function dots() {
    const context = points.getContext("2d"), wide = points.width, high = points.height;
    const image = context.createImageData(wide, high), pixels = image.data, paper = rgb(css("--paper"));
    new Uint32Array(pixels.buffer).fill((255 << 24) | (paper[2] << 16) | (paper[1] << 8) | paper[0]);
    const own = radius() * ratio, reach = Math.ceil(own + 1), span = 2 * reach + 1, mask = new Float32Array(span * span);
    for (let y = -reach; y <= reach; ++y)
      for (let x = -reach; x <= reach; ++x) mask[(y + reach) * span + x + reach] = 0.86 * Math.max(0, Math.min(1, own + 0.5 - Math.hypot(x, y)));
    for (let row = 0; row < count; ++row) {
      const [x, y] = screen(row), left = Math.round(x * ratio) - reach, top = Math.round(y * ratio) - reach;
      if (left < -span || top < -span || left > wide || top > high) continue;
      const red = colours[3 * row], green = colours[3 * row + 1], blue = colours[3 * row + 2];
      for (let j = Math.max(0, -top); j < Math.min(span, high - top); ++j)
        for (let i = Math.max(0, -left); i < Math.min(span, wide - left); ++i) {
          const cover = mask[j * span + i];
          if (!cover) continue;
          const place = 4 * ((top + j) * wide + left + i);
          pixels[place] += cover * (red - pixels[place]);
          pixels[place + 1] += cover * (green - pixels[place + 1]);
          pixels[place + 2] += cover * (blue - pixels[place + 2]);
        }
    }
    context.putImageData(image, 0, 0);
  }

  function links(context) {
    const line = (a, b) => { context.moveTo(...screen(a)); context.lineTo(...screen(b)); };
    context.beginPath();
    if ($("edges").checked) for (const [a, b] of data.edges) line(a, b);
    context.strokeStyle = css("--grey");
    context.lineWidth = 1;
    context.stroke();
    context.beginPath();
    if ($("groups").checked) for (const group of data.groups) for (const other of group.slice(1)) line(group[0], other);
    context.strokeStyle = css("--mark");
    context.lineWidth = 1.6;
    context.stroke();
  }

  function words(context) {
    context.font = "11.5px system-ui, sans-serif";
    context.textBaseline = "middle";
    const taken = [], write = (row, must) => {
      const [x, y] = screen(row);
      if (x < 0 || y < 0 || x > width || y > height) return;
      const text = names[row].length > 34 ? names[row].slice(0, 33) + "…" : names[row], wide = context.measureText(text).width, gap = radius() + 4;
      const left = x + gap + wide < width ? x + gap : x - gap - wide, place = [left - 4, y - 9, left + wide + 4, y + 9];
      if (!must && taken.some(other => place[0] < other[2] && other[0] < place[2] && place[1] < other[3] && other[1] < place[3])) return;
      taken.push(place);
      context.strokeStyle = css("--paper");
      context.lineWidth = 3.5;
      context.lineJoin = "round";
      context.strokeText(text, left, y);
      context.fillStyle = css("--ink");
      context.fillText(text, left, y);
    };
    if (chosen >= 0) write(chosen, true);
    const room = Math.min(labels.length, Math.round((count > 1000 ? 12 : 22) * view.scale * view.scale));
    for (const row of labels.slice(0, room)) write(row, false);
  }

  function ring(context, row, colour) {
    const [x, y] = screen(row);
    context.beginPath();
    context.arc(x, y, radius() + 3, 0, 7);
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.stroke();
  }

  function draw() {
    dots();
    const context = ink.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    links(context);
    words(context);
    if (hovered >= 0) ring(context, hovered, css("--grey"));
    if (chosen >= 0) ring(context, chosen, css("--ink"));
  }
  let waiting = false;
  const later = () => { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; draw(); }); } };

  function legend() {
    const place = $("legend");
    place.replaceChildren();
    if (!column) return;
    const add = (tag, text, parent = place) => { const made = parent.appendChild(document.createElement(tag)); made.textContent = text; return made; };
    add("b", column.name);
    if (column.kind === "class") {
      for (let kind = 0; kind < Math.min(column.texts.length, 24); ++kind) {
        const line = add("div", column.texts[kind]), dot = document.createElement("i");
        dot.style.background = `rgb(${ofClass(kind)})`;
        line.prepend(dot);
      }
      if (column.texts.length > 24) add("div", `and ${column.texts.length - 24} more`);
      return;
    }
    const stops = column.kind === "angle" ? [0, 60, 120, 180, 240, 300, 360].map(hue => `rgb(${hsl(hue, 0.52)})`) : viridis;
    add("div", "").className = "ramp";
    place.lastChild.style.background = `linear-gradient(to right, ${stops})`;
    const ends = add("div", "");
    ends.className = "ends";
    for (const end of column.kind === "angle" ? [0, 360] : [column.low, column.high]) add("span", String(+end.toPrecision(3)), ends);
  }

  // --- one network ---
  function answers(place, row, wide, high) {
    place.replaceChildren();
    if (!drawn) return;
    for (let question = 0; question < drawn.questions; ++question) {
      const canvas = place.appendChild(document.createElement("canvas")), context = canvas.getContext("2d"), first = (row * drawn.questions + question) * drawn.steps;
      canvas.width = wide * 2;
      canvas.height = high * 2;
      canvas.style.width = `${wide}px`;
      canvas.style.height = `${high}px`;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `its answers to question ${question + 1}`);
      context.scale(2, 2);
      if (drawn.kind === "classes") {
        for (let step = 0; step < drawn.steps; ++step) {
          context.fillStyle = `rgb(${ofClass(drawn.values[first + step])})`;
          context.globalAlpha = 0.15 + 0.85 * drawn.strengths[first + step] / 15;
          context.fillRect(step * wide / drawn.steps, 4, wide / drawn.steps - 0.4, high - 8);
        }
        continue;
      }
      const level = value => high - 3 - (high - 6) * value / 255, zero = -drawn.low[question] / (drawn.high[question] - drawn.low[question] || 1);
      context.strokeStyle = css("--rule");
      context.beginPath();
      if (zero >= 0 && zero <= 1) { context.moveTo(0, level(255 * zero)); context.lineTo(wide, level(255 * zero)); }
      context.stroke();
      context.strokeStyle = css("--mark");
      context.lineWidth = 1.2;
      context.beginPath();
      for (let step = 0; step < drawn.steps; ++step) context.lineTo(step * wide / (drawn.steps - 1 || 1), level(drawn.values[first + step]));
      context.stroke();
    }
  }

  function nearest(row, top) {
    const length = other => { let sum = 0; for (let k = 0; k < size; ++k) sum += z[other * size + k] ** 2; return Math.sqrt(sum) || 1; };
    const found = [], own = length(row);
    for (let other = 0; other < count; ++other) {
      if (other === row) continue;
      let sum = 0;
      for (let k = 0; k < size; ++k) sum += z[row * size + k] * z[other * size + k];
      found.push([sum / own / length(other), other]);
    }
    return found.sort((a, b) => b[0] - a[0] || a[1] - b[1]).slice(0, top);
  }

  function choose(row, centre = false) {
    chosen = row;
    $("chosen").hidden = row < 0;
    root.dataset.chosen = row < 0 ? "" : names[row];
    if (row < 0) return later();
    if (centre) [view.x, view.y] = at(row);
    $("name").textContent = names[row];
    const facts = data.columns.map(own => [own.name, shown(own, row)]);
    const group = data.groups.find(rows => rows.includes(row));
    if (group) facts.push(["duplicates", group.filter(other => other !== row).map(other => names[other]).join(", ")]);
    $("facts").replaceChildren(...facts.flatMap(([name, value]) => ["dt", "dd"].map((tag, part) => {
      const made = document.createElement(tag);
      made.textContent = part ? value : name;
      return made;
    })));
    answers($("answers"), row, 268, 44);
    const near = nearest(row, 10);
    $("nearest").replaceChildren(...near.map(([cosine, other]) => {
      const line = document.createElement("tr"), button = document.createElement("button");
      button.textContent = names[other];
      button.addEventListener("click", () => { choose(other, view.scale > 1.5); points.focus(); });
      line.insertCell().append(button);
      line.insertCell().textContent = cosine.toFixed(3);
      return line;
    }));
    $("live").textContent = `${names[row]}. ${column ? `${column.name}: ${shown(column, row)}. ` : ""}${near.length ? `Nearest: ${names[near[0][1]]}.` : ""}`;
    later();
  }

  function hover(row, x, y) {
    if (row === hovered) return;
    hovered = row;
    const tip = $("tip");
    tip.hidden = row < 0;
    if (row >= 0) {
      const line = document.createElement("div"), pictures = document.createElement("div");
      line.textContent = names[row] + (column ? `, ${column.name} ${shown(column, row)}` : "");
      tip.replaceChildren(line, pictures);
      answers(pictures, row, 200, 30);
      tip.style.left = `${Math.max(0, Math.min(x + 14, width - 250))}px`;
      tip.style.top = `${y + 14 + tip.offsetHeight < height ? y + 14 : Math.max(0, y - 14 - tip.offsetHeight)}px`;
    }
    later();
  }

  const pick = (x, y) => {
    let best = -1, least = (radius() + 6) ** 2;
    for (let row = 0; row < count; ++row) {
      const [px, py] = screen(row), apart = (px - x) ** 2 + (py - y) ** 2;
      if (apart < least) [best, least] = [row, apart];
    }
    return best;
  };

  // --- moving ---
  function zoom(factor, x = width / 2, y = height / 2) {
    const before = side(), scale = Math.max(0.5, Math.min(200, view.scale * factor));
    const left = view.x + (x - width / 2) / before, up = view.y - (y - height / 2) / before;
    view.scale = scale;
    view.x = left - (x - width / 2) / side();
    view.y = up + (y - height / 2) / side();
    later();
  }
  const pan = (x, y) => { view.x -= x / side(); view.y += y / side(); };
  const whole = () => { Object.assign(view, { x: 0.5, y: 0.5, scale: 1 }); later(); };
  const fingers = new Map();
  let moved = 0;
  const place = event => { const edge = points.getBoundingClientRect(); return [event.clientX - edge.left, event.clientY - edge.top]; };
  points.addEventListener("pointerdown", event => { points.setPointerCapture(event.pointerId); fingers.set(event.pointerId, place(event)); moved = 0; });
  points.addEventListener("pointermove", event => {
    const [x, y] = place(event), before = fingers.get(event.pointerId);
    if (!before) return hover(pick(x, y), x, y);
    const others = [...fingers].filter(([id]) => id !== event.pointerId).map(([, where]) => where);
    if (others.length) {
      const [ox, oy] = others[0];
      zoom(Math.hypot(x - ox, y - oy) / (Math.hypot(before[0] - ox, before[1] - oy) || 1), (x + ox) / 2, (y + oy) / 2);
    } else pan(x - before[0], y - before[1]);
    moved += Math.hypot(x - before[0], y - before[1]);
    fingers.set(event.pointerId, [x, y]);
    hover(-1);
    later();
  });
  for (const kind of ["pointerup", "pointercancel"])
    points.addEventListener(kind, event => { if (fingers.delete(event.pointerId) && kind === "pointerup" && moved < 5) choose(pick(...place(event))); });
  points.addEventListener("pointerleave", () => hover(-1));
  points.addEventListener("wheel", event => { event.preventDefault(); zoom(Math.exp(-event.deltaY / 400), ...place(event)); }, { passive: false });

  const ways = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  function step([right, down]) {
    if (chosen < 0) return choose(labels[0]);
    const [x, y] = screen(chosen);
    let best = -1, least = Infinity;
    for (let row = 0; row < count; ++row) {
      const [px, py] = screen(row), ahead = (px - x) * right + (py - y) * down, aside = Math.abs((px - x) * down) + Math.abs((py - y) * right);
      if (ahead > 0.01 && ahead >= aside && ahead + 2 * aside < least) [best, least] = [row, ahead + 2 * aside];
    }
    if (best < 0) return;
    const [px, py] = screen(best);
    choose(best, px < 0 || py < 0 || px > width || py > height);
  }
  document.addEventListener("keydown", event => {
    if (event.key === "Escape") { choose(-1); return points.focus(); }
    if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { event.preventDefault(); return $("find").focus(); }
    if (event.key === "+" || event.key === "=") return zoom(1.4);
    if (event.key === "-") return zoom(1 / 1.4);
    if (event.key === "0") return whole();
    if (ways[event.key] && document.activeElement === points) { event.preventDefault(); step(ways[event.key]); }
  });

  // --- finding ---
  function find(text) {
    const low = text.toLowerCase(), exact = names.indexOf(text);
    const rows = exact >= 0 ? [exact] : low ? [...names.keys()].filter(row => names[row].toLowerCase().includes(low)) : [];
    $("found").replaceChildren(...rows.slice(0, 20).map(row => { const option = document.createElement("option"); option.value = names[row]; return option; }));
    $("summary").textContent = low ? `${rows.length} of ${count} networks` : `${count} networks, ${data.layout}`;
    if (rows.length) choose(rows[0], view.scale > 1.5);
  }
  $("find").addEventListener("input", event => find(event.target.value));
  const linked = () => { const wanted = new URLSearchParams(location.hash.slice(1)).get("find"); if (wanted) { $("find").value = wanted; find(wanted); } };
  window.addEventListener("hashchange", linked);

  // --- begin ---
  for (const [kind, own] of [["groups", data.groups], ["edges", data.edges]]) {
    $(kind).parentElement.hidden = !own.length;
    $(kind).addEventListener("change", later);
  }
  $("colour").replaceChildren(...data.columns.map(own => new Option(own.name)));
  $("colour").parentElement.hidden = !data.columns.length;
  $("colour").addEventListener("change", event => { column = data.columns[event.target.selectedIndex]; recolour(); });
  const resize = () => {
    ratio = Math.min(2, window.devicePixelRatio || 1);
    [width, height] = [Math.max(1, box.clientWidth), Math.max(1, box.clientHeight)];
    for (const canvas of [points, ink]) { canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); }
    draw();
  };
  new ResizeObserver(resize).observe(box);
  dark.addEventListener("change", recolour);
  $("message").hidden = true;
  find("");
  recolour();
  resize();
  linked();
  window.atlas = { view, draw, pan };
  root.dataset.ready = "yes";
})();
