/** Asks the server; a fault it reports becomes an Error with its message. */
async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (e) {
    if (e.name === 'AbortError') throw e;
    throw new Error('The explorer does not answer. Is it still running in the terminal?');
  }
  const body = await response.json();
  if (!response.ok) throw new Error(body.error);
  return body;
}

export const getRun = () => ask('/api/run');
export const getEffects = () => ask('/api/effects');
export const getModel = () => ask('/api/model');
export const getPage = (query, from, count) => ask(`/api/latents?${parameters(query, {from, count})}`);
export const getLatent = (latent, query) => ask(`/api/latents/${latent}?${parameters(query)}`);

export const postText = (text, signal) =>
  ask('/api/text', {
    method: 'POST',
    headers: {'Content-Type': 'application/json'},
    body: JSON.stringify({text}),
    signal,
  });

/** What the list shows when the address says nothing else. */
export const DEFAULT_QUERY = {sort: 'evidence', order: 'desc', filter: ''};

/** The list's order and filter in an address. */
export function readQuery(search) {
  const given = new URLSearchParams(search);
  return Object.fromEntries(Object.entries(DEFAULT_QUERY).map(([key, value]) => [key, given.get(key) ?? value]));
}

/** The query as an address' search part: only what differs from the default. */
export function writeQuery(query) {
  const said = Object.entries(query).filter(([key, value]) => value !== DEFAULT_QUERY[key]);
  const text = new URLSearchParams(said).toString();
  return text ? `?${text}` : '';
}

const parameters = (query, more = {}) => new URLSearchParams({...query, ...more});
