import { expect, it } from 'vitest'
import { addressOf, kept, profileFields, profileOf } from './account'

const profile = { name: 'A', company: '', phone: '', tax_id: 'DE1', locale: 'en', time_zone: 'UTC', billing_address: { line1: 'Way 1', city: 'Bonn', country: 'DE' }, version: 7 }

it('holds a profile and gives it back', () => {
  const back = profileOf(profileFields(profile), 7)
  expect(back).toEqual({ ...profile, billing_address: { line1: 'Way 1', line2: '', city: 'Bonn', region: '', postal_code: '', country: 'DE' } })
  expect(profileOf({ ...profileFields(profile), taxExempt: true }, 7, true).tax_exempt).toBe(true)
})

it('keeps what was typed and takes what others changed', () => {
  const was = profileFields(profile), typed = { ...was, company: 'Typed', billing: { ...was.billing, city: 'Köln' } }
  const now = profileFields({ ...profile, name: 'Theirs', billing_address: { ...profile.billing_address, line1: 'Way 2', city: 'Mainz' } })
  expect(kept(typed, was, now)).toEqual({ ...now, company: 'Typed', billing: { ...now.billing, city: 'Köln' } })
  expect(kept(was, was, now)).toEqual(now)
})

it('knows an address of nothing', () => {
  const none = { line1: ' ', line2: '', city: '', region: '', postal_code: '', country: '' }
  expect(addressOf(none)).toBeUndefined()
  expect(addressOf({ ...none, country: 'DE' })?.country).toBe('DE')
})
