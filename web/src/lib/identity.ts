// People and what they prove themselves with, in words.
const say = (words: Record<string, string>) => (word: string): string => words[word] ?? word.replaceAll('_', ' ')

export const RIGHTS = [
  { value: 'owner', label: 'Owner: everything, people too' },
  { value: 'billing', label: 'Billing: invoices and addresses' },
  { value: 'technical', label: 'Technical: services' },
  { value: 'read_only', label: 'Read only' },
] as const
export const rightsWord = say({ owner: 'Owner', billing: 'Billing', technical: 'Technical', read_only: 'Read only' })
export const factorWord = say({ password: 'password', passkey: 'passkey', totp: 'authenticator', recovery_code: 'recovery code', development: 'development login', impersonation: 'staff, in your name' })
export const statusWord = say({ active: 'Active', suspended: 'Suspended', banned: 'Banned' })

/** A span of seconds for people who wait: "40 seconds", "3 minutes". */
export function waitWord(seconds: number): string {
  const said = (n: number, unit: string) => `${n} ${unit}${n === 1 ? '' : 's'}`
  if (seconds < 60) return said(Math.max(1, Math.ceil(seconds)), 'second')
  return seconds < 3600 ? said(Math.ceil(seconds / 60), 'minute') : said(Math.ceil(seconds / 3600), 'hour')
}

const found = (text: string, names: [RegExp, string][]): string | undefined => names.find(([pattern]) => pattern.test(text))?.[1]

/** What a browser calls itself, in short: "Firefox on Linux". Anything else as it is. */
export function deviceWord(userAgent: string): string {
  const browser = found(userAgent, [[/Edg\//, 'Edge'], [/OPR\//, 'Opera'], [/Firefox\/|FxiOS/, 'Firefox'], [/Chrome\/|CriOS/, 'Chrome'], [/Safari\//, 'Safari']])
  const system = found(userAgent, [[/iPhone|iPad/, 'iOS'], [/Android/, 'Android'], [/Windows/, 'Windows'], [/Mac OS X/, 'macOS'], [/CrOS/, 'ChromeOS'], [/Linux/, 'Linux']])
  if (browser && system) return `${browser} on ${system}`
  return userAgent || 'an unknown program'
}

/** The path of a QR code's dark modules, one unit each, with the quiet zone of four around them. */
export function qrPath(qr: { size: number; modules: string }): string {
  const runs: string[] = []
  for (let y = 0; y < qr.size; y++) {
    for (const run of qr.modules.slice(y * qr.size, (y + 1) * qr.size).matchAll(/1+/g)) runs.push(`M${run.index + 4} ${y + 4}h${run[0].length}v1h-${run[0].length}z`)
  }
  return runs.join('')
}

/** Base32 in groups of four, as people type it. */
export const grouped = (secret: string): string => secret.replace(/(.{4})(?=.)/g, '$1 ')
