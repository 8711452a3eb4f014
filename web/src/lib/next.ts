/** Where to go on to after signing in. Only paths of our own: "//host" and "https:" would leave. */
export function ownPath(value: unknown): string | undefined {
  return typeof value === 'string' && /^\/(?![/\\])/.test(value) ? value : undefined
}
