import { describe, expect, it } from 'vitest'
import { ago, bitRate, bytes, count, dateTime, decimal, money, percent, period, perSecond, share } from './format'

describe('bytes', () => {
  it.each([
    [0, '0 B'], [999, '999 B'], [1000, '1 kB'], [1234, '1.23 kB'], [1_234_567, '1.23 MB'], [999_999, '999 kB'],
    [1e12, '1 TB'], [999_999_999_999, '999 GB'], [12_345_678_901, '12.3 GB'], [-1500, '-1.5 kB'], [8.3e9, '8.3 GB'],
  ])('%d is %s', (value, text) => expect(bytes(value)).toBe(text))
  it('shows a dash for what is unknown', () => expect(bytes(null)).toBe('–'))
})

describe('rates', () => {
  it.each([[0, '0 bit/s'], [800, '800 bit/s'], [999_600, '1 Mbit/s'], [1_234_000, '1.23 Mbit/s'], [1e10, '10 Gbit/s'], [-2.5e6, '-2.5 Mbit/s']])(
    '%d is %s', (value, text) => expect(bitRate(value)).toBe(text))
  it('per second', () => {
    expect(perSecond(0.25)).toBe('0.3/s')
    expect(perSecond(12_345.6)).toBe('12,346/s')
  })
})

describe('shares and counts', () => {
  it('never calls a little nothing', () => expect(percent(0.01)).toBe('< 0.1 %'))
  it('is a dash without a whole', () => expect(share(1, 0)).toBe('–'))
  it('groups digits', () => expect(count(1_234_567)).toBe('1,234,567'))
})

describe('money', () => {
  it.each([['0.01', '0.01 USD'], ['1234567.89', '1,234,567.89 USD'], ['-12.30', '−12.30 USD'], ['1500', '1,500 USD']])(
    '%s', (amount, text) => expect(money({ amount, currency: 'USD' })).toBe(text))
  it('keeps more digits than a double has', () => expect(money({ amount: '90071992547409931.07', currency: 'USD' })).toBe('90,071,992,547,409,931.07 USD'))
  it.each([['0.010000', '0.01'], ['5.000', '5'], ['100', '100']])('decimal %s is %s', (value, text) => expect(decimal(value)).toBe(text))
})

describe('times are UTC', () => {
  it('date and time', () => expect(dateTime('2026-03-01T23:59:59Z')).toBe('2026-03-01 23:59 UTC'))
  it('a period of whole days names its last day', () =>
    expect(period({ from: '2026-01-01T00:00:00Z', to: '2026-02-01T00:00:00Z' })).toBe('2026-01-01 – 2026-01-31'))
  it('other periods name both instants', () =>
    expect(period({ from: '2026-01-01T05:00:00Z', to: '2026-02-01T05:00:00Z' })).toBe('2026-01-01 05:00 UTC – 2026-02-01 05:00 UTC'))
  it.each([[5, '5 s ago'], [150, '2 min ago'], [7300, '2 h ago'], [200_000, '2 d ago']])('%d s', (seconds, text) =>
    expect(ago('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:00:00Z') + seconds * 1000)).toBe(text))
})
