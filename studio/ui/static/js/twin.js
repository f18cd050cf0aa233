// The exact twin: what main.js mounts, by the kind that the section's components name.

export const MOUNTS = {};
