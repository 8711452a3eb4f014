/** Where to go on to with a session. Only paths of our own: "//host" and "https:" would leave. */
export function ownPath(value: unknown): string | undefined {
  return typeof value === 'string' && /^\/(?![/\\])/.test(value) ? value : undefined
}
