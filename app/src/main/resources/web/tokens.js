import {html, nothing} from '/lib/lit-html/lit-html.js';
import {activation, parted, visible} from './ui.js';

/**
 * Text with each token's background by its activation, in another colour where that is negative. The strongest is a tab stop; the arrow keys go on to the other active
 * ones. A token's value shows on hover and focus.
 *
 * @param tokens the pieces of text
 * @param values activation of each; null where there is none to show
 * @param max the size of activation drawn in full colour
 * @param at index of the strongest
 */
export function highlighted(tokens, values, max, at) {
  return html`<span class="tokens" @keydown=${step}>${tokens.map((token, i) => {
    const value = values[i];
    if (!value) {
      const quiet = value === null ? ' missing' : token.trim() ? '' : ' blank';
      return html`<span class=${`tok${quiet}`}
        title=${value === null ? 'not in the store (a dropped row)' : nothing}>${visible(token)}</span>`;
    }
    const [blank, text] = parted(token);
    return html`${blank}<span
      class=${`tok on${i === at ? ' peak' : ''}${value < 0 ? ' negative' : ''}`}
      .style=${`--a:${(Math.abs(value) / max).toFixed(3)}`}
      tabindex=${i === at ? 0 : -1}
      data-value=${activation(value)}
      aria-label=${`${token.trim()}, activation ${activation(value)}`}
      >${text}</span>`;
  })}</span>`;
}

function step(event) {
  const by = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (!by) return;
  const active = [...event.currentTarget.querySelectorAll('.on')];
  const next = active[active.indexOf(document.activeElement) + by];
  if (next) {
    next.focus();
    event.preventDefault();
  }
}
