import type { Exporter, ExporterSettings } from '@/api'

/** What stands in the fields of the form; numbers are text there, and empty means: as usual. */
export interface ExporterFields {
  name: string
  source: string
  agent: string
  policy: string
  rateMin: string
  rateMax: string
  rateDefault: string
  rateOverride: string
  inside: string[]
}

export const blankExporter = (source = '', name = ''): ExporterFields =>
  ({ name, source, agent: '', policy: 'ingress', rateMin: '', rateMax: '', rateDefault: '', rateOverride: '', inside: [] })

const text = (n: number | null | undefined) => (n ? String(n) : '')

export const fieldsOf = (e: Exporter): ExporterFields => ({
  name: e.name, source: e.source, agent: e.agent ?? '', policy: e.count_policy, rateMin: text(e.rate_min), rateMax: text(e.rate_max),
  rateDefault: text(e.rate_default), rateOverride: text(e.rate_override), inside: [...e.inside],
})

const number = (value: string | number): number | undefined => {
  const n = Number(String(value).trim())
  return String(value).trim() === '' || !Number.isInteger(n) ? undefined : n
}

/** What is sent: only what is given. The server checks it and says what is wrong. */
export function settingsOf(f: ExporterFields): ExporterSettings {
  const settings: ExporterSettings = { source: f.source.trim(), count_policy: f.policy as ExporterSettings['count_policy'] }
  if (f.agent.trim()) settings.agent = f.agent.trim()
  const rates = { rate_min: number(f.rateMin), rate_max: number(f.rateMax), rate_default: number(f.rateDefault), rate_override: number(f.rateOverride) }
  for (const [name, value] of Object.entries(rates)) if (value !== undefined) settings[name as keyof typeof rates] = value
  if (f.inside.length) settings.inside = [...f.inside] as ExporterSettings['inside']
  return settings
}
