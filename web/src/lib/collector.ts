import type { Collector } from '@/api'

const SILENT_AFTER_MS = 15_000

/** A collector says something every few seconds. */
export const isSilent = (collector: Collector, now: number): boolean => now - Date.parse(collector.reported_at) > SILENT_AFTER_MS

/** The prefix that holds one source alone, as an exporter is registered with. */
export const hostPrefix = (source: string): string => (source.includes('/') ? source : `${source}/${source.includes(':') ? 128 : 32}`)
