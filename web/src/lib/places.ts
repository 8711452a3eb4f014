// Countries, languages and time zones to choose from.
interface Option { value: string; label: string }

const COUNTRIES = 'ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSYEYTZAZMZW'
const LANGUAGES = ['en', 'en-GB', 'en-US', 'de', 'de-AT', 'de-CH', 'es', 'fr', 'it', 'nl', 'pl', 'pt', 'pt-BR', 'sv', 'da', 'fi', 'cs', 'tr', 'uk', 'ja', 'zh']

const named = (codes: string[], type: 'region' | 'language'): Option[] => {
  const names = new Intl.DisplayNames(['en'], { type })
  return codes.map((value) => ({ value, label: names.of(value) ?? value })).sort((a, b) => a.label.localeCompare(b.label))
}

/** Every country of ISO 3166-1, by name; first nothing. */
export const countries = (): Option[] => [{ value: '', label: 'Choose a country' }, ...named(COUNTRIES.match(/../g)!, 'region')]

/** Common languages, and the one that is set. */
export const languages = (current: string): Option[] => named([...new Set([...LANGUAGES, ...(current ? [current] : [])])], 'language')

/** Every time zone that the browser knows, and the one that is set. */
export function timeZones(current: string): Option[] {
  const zones = new Set(['UTC', ...(current ? [current] : []), ...Intl.supportedValuesOf('timeZone')])
  return [...zones].map((value) => ({ value, label: value.replaceAll('_', ' ') }))
}
