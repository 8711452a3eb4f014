import { describe, expect, it } from 'vitest'
import type { Exporter } from '@/api'
import { blankExporter, fieldsOf, settingsOf } from './exporter'

describe('the exporter form', () => {
  it('sends only what is given', () => expect(settingsOf({ ...blankExporter('192.0.2.1/32'), rateMax: ' 4096 ', rateDefault: 'x' })).toEqual({ source: '192.0.2.1/32', count_policy: 'ingress', rate_max: 4096 }))
  it('gives back what it was filled with', () => {
    const exporter = { name: 'e', source: '192.0.2.1/32', agent: '192.0.2.9', count_policy: 'bound', rate_min: 1, rate_max: 9, rate_default: 512, inside: ['gre'] } as unknown as Exporter
    expect(settingsOf(fieldsOf(exporter))).toEqual({ source: '192.0.2.1/32', agent: '192.0.2.9', count_policy: 'bound', rate_min: 1, rate_max: 9, rate_default: 512, inside: ['gre'] })
  })
})
