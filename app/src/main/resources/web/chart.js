import uPlot from '/lib/uplot/dist/uPlot.esm.js';
import {activation, count} from './ui.js';

/** Draws a histogram of equal-width bins of (0, max] into an element, in the theme's colours. */
export function histogram(element, bins, max) {
  const width = max / bins.length;
  const centres = bins.map((_, i) => (i + 0.5) * width);
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--ink-2'),
    font: '11px system-ui, sans-serif',
    grid: {stroke: colour('--line'), width: 1},
    ticks: {show: false},
  };
  const options = {
    width: element.clientWidth,
    height: 150,
    legend: {show: false},
    cursor: {y: false, points: {show: false}, drag: {x: false, y: false}},
    padding: [8, 8, 0, 0],
    scales: {x: {time: false, range: [0, max]}, y: {range: (_, low, high) => [0, high || 1]}},
    axes: [
      {...axis, size: 26, grid: {show: false}, values: (_, ticks) => ticks.map(t => activation(t).replace(/\.?0+$/, ''))},
      {...axis, size: 46, space: 34, values: (_, ticks) => ticks.map(t => (Number.isInteger(t) ? count(t) : ''))},
    ],
    series: [
      {},
      {
        fill: colour('--bar'),
        stroke: colour('--bar'),
        width: 0,
        points: {show: false},
        paths: uPlot.paths.bars({size: [0.9, 40], align: 0}),
      },
    ],
    hooks: {
      setCursor: [
        u => {
          const i = u.cursor.idx;
          element.dataset.value = i == null ? '' : `${activation(i * width)} to ${activation((i + 1) * width)}: ${count(bins[i])}`;
        },
      ],
    },
  };
  element.replaceChildren();
  return new uPlot(options, [centres, bins], element);
}
