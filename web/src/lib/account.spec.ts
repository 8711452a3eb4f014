import { expect, it } from 'vitest'
import { addressOf, profileFields, profileOf } from './account'

const profile = { name: 'A', company: '', phone: '', tax_id: 'DE1', locale: 'en', time_zone: 'UTC', billing_address: { line1: 'Way 1', city: 'Bonn', country: 'DE' }, version: 7 }

it('holds a profile and gives it back', () => {
  const back = profileOf(profileFields(profile), 7)
  expect(back).toEqual({ ...profile, billing_address: { line1: 'Way 1', line2: '', city: 'Bonn', region: '', postal_code: '', country: 'DE' } })
  expect(profileOf({ ...profileFields(profile), taxExempt: true }, 7, true).tax_exempt).toBe(true)
})

it('knows an address of nothing', () => {
  const none = { line1: ' ', line2: '', city: '', region: '', postal_code: '', country: '' }
  expect(addressOf(none)).toBeUndefined()
  expect(addressOf({ ...none, country: 'DE' })?.country).toBe('DE')
})
