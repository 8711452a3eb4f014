import { describe, expect, it } from 'vitest'
import type { QuarantineGroup } from '@/api'
import { decisionOf, isRate, proposed, spanOf, worth } from './quarantine'

const group = (more: Partial<QuarantineGroup> = {}): QuarantineGroup => ({
  exporter_id: 'e', exporter: 'leaf-0', service_id: 's', service: 'web', rate: 0, rate_min: 1, rate_max: 10, usual_rate: 512, samples: 5,
  frame_length_in: 1000, frame_length_out: 10, ip_length_in: 900, ip_length_out: 9, hours: 2, first_hour: '2026-03-10T10:00:00Z', last_hour: '2026-03-10T12:00:00Z', ...more,
})

describe('quarantine', () => {
  it('decides about whole hours, the last one included', () =>
    expect(decisionOf(group(), 'because')).toEqual({ exporter: 'e', service: 's', rate: 0, reason: 'because', from: '2026-03-10T10:00:00Z', to: '2026-03-10T13:00:00.000Z' }))
  it('spans its hours to the end of the last', () => {
    expect(spanOf(group())).toBe('03-10 10:00 – 13:00')
    expect(spanOf(group({ last_hour: '2026-03-10T23:00:00Z' }))).toBe('03-10 10:00 – 03-11 00:00')
  })
  it('is worth its lengths times the rate', () => expect(worth([group(), group()], 100)).toEqual({ inL2: 200_000, outL2: 2000, samples: 10 }))
  it.each([[[512, 512], '512'], [[512, 1024], ''], [[null], ''], [[], '']] as const)('proposes of %j: %j', (rates, text) => expect(proposed(rates.map((usual_rate) => group({ usual_rate })))).toBe(text))
  it.each([['1', true], ['4294967295', true], ['4294967296', false], ['0', false], ['01', false], ['1.5', false], ['', false]] as const)('rate %s', (text, ok) => expect(isRate(text)).toBe(ok))
})
