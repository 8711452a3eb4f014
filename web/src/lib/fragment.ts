// Mailed links carry their token in the fragment, which no server and no log sees.

/**
 * Takes the token out of the address, so that neither the history nor a screenshot keeps it. The router writes the entry
 * once more when it leads on, by what it noted in the entry's state.
 */
export function takeToken(): string {
  const token = location.hash.slice(1), rest = location.pathname + location.search
  if (token) history.replaceState({ ...history.state, current: rest }, '', rest)
  return token
}

const KEPT = 'invitation'

/** The same, and kept in this tab for whoever has to sign in first, until it is forgotten. */
export function keepToken(): string {
  const token = takeToken()
  try {
    if (token) sessionStorage.setItem(KEPT, token)
    return token || (sessionStorage.getItem(KEPT) ?? '')
  } catch {
    return token // storage refused
  }
}

export function forgetToken(): void {
  try { sessionStorage.removeItem(KEPT) } catch { /* nothing is kept then */ }
}
