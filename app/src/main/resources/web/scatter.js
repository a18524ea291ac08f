import {nats, percent} from './ui.js';

const MARGIN = {left: 58, right: 14, top: 22, bottom: 40};

/** Draws latents by density and effect of a firing, both logarithmic; the nearest one is named under the pointer and opened by a click. */
export function scatter(element, data, open) {
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const canvas = document.createElement('canvas');
  const said = document.createElement('output');
  element.replaceChildren(canvas, said);
  const ratio = devicePixelRatio;
  const [width, height] = [element.clientWidth, element.clientHeight];
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const c = canvas.getContext('2d');
  c.scale(ratio, ratio);
  const x = axis(data.density, MARGIN.left, width - MARGIN.right);
  const y = axis(data.kl, height - MARGIN.bottom, MARGIN.top);

  c.font = '11px system-ui, sans-serif';
  c.strokeStyle = colour('--line');
  c.fillStyle = colour('--ink-2');
  c.textAlign = 'center';
  for (const tick of x.ticks) {
    line(c, x.at(tick), MARGIN.top, x.at(tick), height - MARGIN.bottom);
    c.fillText(percent(tick), x.at(tick), height - MARGIN.bottom + 15);
  }
  c.textAlign = 'right';
  for (const tick of y.ticks) {
    line(c, MARGIN.left, y.at(tick), width - MARGIN.right, y.at(tick));
    c.fillText(tick < 1 ? String(tick) : nats(tick), MARGIN.left - 6, y.at(tick) + 4);
  }
  c.textAlign = 'center';
  c.fillText('density: share of rows on which it fires', (MARGIN.left + width) / 2, height - 6);
  c.textAlign = 'left';
  c.fillText('effect of a firing, nats', 4, 12);

  c.fillStyle = colour('--bar');
  c.globalAlpha = Math.max(0.25, Math.min(0.8, 2000 / data.latent.length));
  for (let i = 0; i < data.latent.length; i++) {
    c.beginPath();
    c.arc(x.at(data.density[i]), y.at(data.kl[i]), 2.4, 0, 7);
    c.fill();
  }

  const nearest = event => {
    let best = -1;
    let least = 18 * 18;
    for (let i = 0; i < data.latent.length; i++) {
      const d = (x.at(data.density[i]) - event.offsetX) ** 2 + (y.at(data.kl[i]) - event.offsetY) ** 2;
      if (d < least) [best, least] = [i, d];
    }
    return best;
  };
  canvas.addEventListener('pointermove', event => {
    const i = nearest(event);
    said.textContent = i < 0 ? '' : `#${data.latent[i]}: ${percent(data.density[i])} of rows, ${nats(data.kl[i])} nats a firing`;
    canvas.style.cursor = i < 0 ? 'crosshair' : 'pointer';
  });
  canvas.addEventListener('click', event => {
    const i = nearest(event);
    if (i >= 0) open(data.latent[i]);
  });
}

/** A logarithmic axis over the values, with a tick at each power of ten. */
function axis(values, from, to) {
  const low = Math.log10(values.reduce((a, b) => Math.min(a, b), Infinity));
  const high = Math.log10(values.reduce((a, b) => Math.max(a, b), 0));
  const span = Math.max(high - low, 0.1);
  const ticks = [];
  for (let e = Math.ceil(low); e <= high; e++) ticks.push(10 ** e);
  return {at: v => from + ((Math.log10(v) - low) / span) * (to - from), ticks};
}

function line(c, x0, y0, x1, y1) {
  c.beginPath();
  c.moveTo(x0, y0);
  c.lineTo(x1, y1);
  c.stroke();
}
