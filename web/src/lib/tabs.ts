/** The tabs of a browser share its session: one tells the others when it has another person or account. */
export interface Tabs {
  tell(): void
  onTold(react: () => void): void
}

export function createTabs(): Tabs {
  if (typeof BroadcastChannel === 'undefined') return { tell: () => {}, onTold: () => {} } // then the next request finds out
  const channel = new BroadcastChannel('session')
  return { tell: () => channel.postMessage('changed'), onTold: (react) => { channel.onmessage = react } }
}
