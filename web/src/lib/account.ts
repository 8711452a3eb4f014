import type { AccountProfile, AccountSettings, Address } from '@/api'

// An account's profile as a form holds it: nothing is empty text, and a missing address is one of empty fields.
export type AddressFields = Required<Address>
export interface ProfileFields { name: string; company: string; phone: string; taxId: string; locale: string; zone: string; taxExempt: boolean; billing: AddressFields; shipping: AddressFields; apart: boolean }

export const ADDRESS_FIELDS = ['line1', 'line2', 'city', 'region', 'postal_code', 'country'] as const
export const PROFILE_FIELDS = ['name', 'company', 'phone', 'tax_id', 'locale', 'time_zone', ...['billing_address', 'shipping_address'].flatMap((a) => ADDRESS_FIELDS.map((f) => `${a}.${f}`))]

const addressFields = (a?: Address): AddressFields => ({ line1: a?.line1 ?? '', line2: a?.line2 ?? '', city: a?.city ?? '', region: a?.region ?? '', postal_code: a?.postal_code ?? '', country: a?.country ?? '' })

/** An address, or nothing where nothing at all is given. */
export function addressOf(fields: AddressFields): Address | undefined {
  const trimmed = Object.fromEntries(ADDRESS_FIELDS.map((f) => [f, fields[f].trim()])) as unknown as AddressFields
  return ADDRESS_FIELDS.some((f) => trimmed[f]) ? trimmed : undefined
}

export const profileFields = (p: AccountSettings & Pick<Partial<AccountProfile>, 'tax_exempt'>): ProfileFields => ({
  name: p.name, company: p.company ?? '', phone: p.phone ?? '', taxId: p.tax_id ?? '', locale: p.locale, zone: p.time_zone, taxExempt: p.tax_exempt ?? false,
  billing: addressFields(p.billing_address), shipping: addressFields(p.shipping_address), apart: Boolean(p.shipping_address),
})

/** What a form holds once the profile was read anew: what was typed and not yet saved stays, all else is as it is now. */
export function kept(typed: ProfileFields, was: ProfileFields, now: ProfileFields): ProfileFields {
  const merge = <T extends object>(t: T, w: T, n: T): T => Object.fromEntries(Object.entries(n).map(([name, value]) => {
    const field = name as keyof T
    if (typeof value === 'object') return [name, merge(t[field] as object, w[field] as object, value as object)]
    return [name, t[field] === w[field] ? value : t[field]]
  })) as T
  return merge(typed, was, now)
}

/** The profile of a form, whole. Only staff say whether an account is exempt from tax. */
export const profileOf = (f: ProfileFields, version: number, staff = false): AccountSettings => ({
  name: f.name.trim(), company: f.company.trim(), phone: f.phone.trim(), tax_id: f.taxId.trim(), locale: f.locale, time_zone: f.zone,
  billing_address: addressOf(f.billing), shipping_address: f.apart ? addressOf(f.shipping) : undefined, version, ...(staff ? { tax_exempt: f.taxExempt } : {}),
})
