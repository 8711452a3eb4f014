// The API's short words, as people say them. An unknown one is shown as it is.

const say = (words: Record<string, string>) => (word: string): string => words[word] ?? word.replaceAll('_', ' ')

export const directionWord = say({ sum: 'in and out', in: 'in only', out: 'out only', max: 'the larger of in and out' })
export const basisWord = say({ l2: 'Ethernet frames (L2)', l3: 'IP packets (L3)' })
export const countPolicyWord = say({ ingress: 'ingress', egress: 'egress', both: 'both, once', bound: 'counters of bound ports' })
export const billAtWord = say({ estimate: 'the estimate', lower_bound: 'the lower end of the error bound' })
export const cycleWord = say({ open: 'running', collecting: 'collecting last data', snapshot: 'being rated', rated: 'being invoiced', closed: 'closed' })
export const invoiceKindWord = say({ usage: 'Invoice', credit_note: 'Credit note' })
export const lineKindWord = say({ overage: 'Overage', late_usage: 'Late usage' })
export const stateWord = say({ never_seen: 'never seen', receiving: 'receiving', silent: 'silent', losing: 'losing' })
