// What the visitor's browser keeps between visits. In a frame of another site, or with storage
// switched off, even touching localStorage throws: then nothing is kept, and all else goes on.

export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // nothing to do: the choice lasts as long as the page
  }
}
