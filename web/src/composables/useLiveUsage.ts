import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import type { Alert, CycleSummary, LiveUpdate, Slot } from '@/api'

export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'paused'

export interface LiveUsage {
  state: Ref<LiveState>
  since: Ref<number | undefined> // browser time at which the stream was lost
  slots: ShallowRef<Slot[]>       // the newest state of each slot seen, oldest first
  cycle: ShallowRef<CycleSummary | undefined>
  alert: ShallowRef<Alert | undefined> // the newest one
}

export interface LiveHooks {
  url: string
  onTime?: (at: string) => void // the platform's time, with each update
  onBack?: () => void // after a break: what happened meanwhile must be asked for
  onAlert?: (alert: Alert) => void
}

const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 15_000
const QUIET_MS = 20_000 // the server speaks every five seconds, so a longer silence is a dead connection
const SLOTS_KEPT = 120 // twenty minutes of ten seconds
const HIDDEN_FOR_MS = 30_000

/** How long to wait before attempt n, from 0: doubling, bounded, never in step with other browsers. */
export function backoff(attempt: number, random = Math.random()): number {
  return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10)) * (0.75 + random / 2)
}

/** The later state of a slot replaces the earlier one. */
export function withSlots(known: Slot[], news: Slot[]): Slot[] {
  const byTime = new Map(known.map((slot) => [slot.t, slot]))
  for (const slot of news) byTime.set(slot.t, slot)
  return [...byTime.values()].sort((a, b) => Date.parse(a.t) - Date.parse(b.t)).slice(-SLOTS_KEPT)
}

/**
 * A service's live usage by server-sent events. It reconnects by itself, and lets go of the connection while
 * the page is hidden, because a browser has few of them to one host.
 */
export function useLiveUsage(hooks: LiveHooks): LiveUsage {
  const state = ref<LiveState>('connecting')
  const since = ref<number>()
  const slots = shallowRef<Slot[]>([])
  const cycle = shallowRef<CycleSummary>()
  const alert = shallowRef<Alert>()
  let source: EventSource | undefined
  let timer = 0, watchdog = 0, attempt = 0

  function onUsage(event: MessageEvent<string>) {
    watch()
    const update = JSON.parse(event.data) as LiveUpdate
    hooks.onTime?.(update.at)
    slots.value = withSlots(slots.value, update.slots)
    if (update.cycle) cycle.value = update.cycle
  }
  function onAlert(event: MessageEvent<string>) {
    alert.value = JSON.parse(event.data) as Alert
    hooks.onAlert?.(alert.value)
  }
  function open() {
    source = new EventSource(hooks.url)
    source.addEventListener('open', onOpen)
    source.addEventListener('usage', onUsage)
    source.addEventListener('alert', onAlert)
    source.addEventListener('error', retry)
    watch()
  }
  function retry() {
    close()
    lose('reconnecting')
    timer = window.setTimeout(open, backoff(attempt++))
  }
  function watch() {
    clearTimeout(watchdog)
    watchdog = window.setTimeout(retry, QUIET_MS)
  }
  function onOpen() {
    const wasAway = since.value !== undefined
    attempt = 0
    since.value = undefined
    state.value = 'live'
    if (wasAway) hooks.onBack?.()
  }
  function close() {
    clearTimeout(timer)
    clearTimeout(watchdog)
    source?.close()
    source = undefined
  }
  function lose(next: LiveState) {
    since.value ??= Date.now()
    state.value = next
  }
  function onVisibility() {
    clearTimeout(timer)
    if (document.hidden) timer = window.setTimeout(() => { close(); lose('paused') }, HIDDEN_FOR_MS)
    else if (!source) { state.value = 'reconnecting'; open() }
  }

  document.addEventListener('visibilitychange', onVisibility)
  onScopeDispose(() => { document.removeEventListener('visibilitychange', onVisibility); close() })
  open()
  return { state, since, slots, cycle, alert }
}
