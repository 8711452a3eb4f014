import { describe, expect, it } from 'vitest'
import type { Exporter } from '@/api'
import { blankExporter, fieldsOf, settingsOf, wrongRates } from './exporter'

describe('the exporter form', () => {
  it('sends only what is given', () => expect(settingsOf({ ...blankExporter('192.0.2.1/32'), rateMax: ' 4096 ' })).toEqual({ source: '192.0.2.1/32', count_policy: 'ingress', rate_max: 4096 }))
  it.each([
    [{ rateMin: '1', rateMax: '4096', rateDefault: '' }, []], [{ rateMax: 'lots', rateOverride: '1.5' }, ['rate_max', 'rate_override']],
    [{ rateMin: '50', rateMax: '5' }, ['rate_max']], [{ rateMin: 'x', rateMax: '5' }, ['rate_min']],
  ] as const)('of the rates %j, wrong are %j', (rates, wrong) => expect(Object.keys(wrongRates({ ...blankExporter(), ...rates }))).toEqual(wrong))
  it('gives back what it was filled with', () => {
    const exporter = { name: 'e', source: '192.0.2.1/32', agent: '192.0.2.9', count_policy: 'bound', rate_min: 1, rate_max: 9, rate_default: 512, inside: ['gre'] } as unknown as Exporter
    expect(settingsOf(fieldsOf(exporter))).toEqual({ source: '192.0.2.1/32', agent: '192.0.2.9', count_policy: 'bound', rate_min: 1, rate_max: 9, rate_default: 512, inside: ['gre'] })
  })
})
