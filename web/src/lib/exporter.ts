import type { Exporter, ExporterSettings } from '@/api'
import { isRate, RATE_WORDS } from '@/lib/quarantine'

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

type RateName = 'rate_min' | 'rate_max' | 'rate_default' | 'rate_override'
const given = (f: ExporterFields): [RateName, string][] => ([['rate_min', f.rateMin], ['rate_max', f.rateMax], ['rate_default', f.rateDefault], ['rate_override', f.rateOverride]] as const)
  .map(([name, value]): [RateName, string] => [name, value.trim()]).filter(([, value]) => value !== '')

/** What is wrong with the rates, said before they are sent: text that is no number would not be. */
export function wrongRates(f: ExporterFields): Partial<Record<RateName, string>> {
  const wrong: Partial<Record<RateName, string>> = {}
  for (const [name, value] of given(f)) if (!isRate(value)) wrong[name] = RATE_WORDS
  const { rate_min: min = '1', rate_max: max } = Object.fromEntries(given(f)) as Partial<Record<RateName, string>>
  if (max !== undefined && !wrong.rate_min && !wrong.rate_max && Number(max) < Number(min)) wrong.rate_max = 'Must not be below the lowest.'
  return wrong
}

/** What is sent: only what is given. The server checks it and says what is wrong. */
export function settingsOf(f: ExporterFields): ExporterSettings {
  const settings: ExporterSettings = { source: f.source.trim(), count_policy: f.policy as ExporterSettings['count_policy'] }
  if (f.agent.trim()) settings.agent = f.agent.trim()
  for (const [name, value] of given(f)) settings[name] = Number(value)
  if (f.inside.length) settings.inside = [...f.inside] as ExporterSettings['inside']
  return settings
}
