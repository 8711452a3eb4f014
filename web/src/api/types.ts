// The API's own shapes, by the names the pages use. schema.ts is generated from api/openapi.json: npm run api.
import type { components } from './schema'

type Schemas = components['schemas']

export interface List<T> { items: T[]; next_cursor?: string }

export type Session = Schemas['Session']
export type Money = Schemas['Money']
export type Period = Schemas['Period']
export type Customer = Schemas['Customer'] & { status?: string }

export type CycleSummary = Schemas['CycleSummary']
export type Basis = CycleSummary['basis']
export type ListedService = Schemas['ServiceDetail']
export type Service = Schemas['ServiceDetail']

export type Usage = Schemas['Series']
export type Step = '10s' | '1m' | '5m' | '1h' | '1d'
export type Slot = Schemas['Slot']
export type LiveUpdate = Schemas['LiveUsage']
export type Alert = Schemas['Alert']

export type InvoiceSummary = Schemas['InvoiceSummary']
export type Invoice = Schemas['Invoice']
export type InvoiceLine = Schemas['InvoiceLine']

export type Exporter = Schemas['Exporter']
export type ExporterDetail = Schemas['ExporterDetail']
export type LossHour = Schemas['LossHour']
export type Port = Schemas['Port']
export type Collector = Schemas['Collector']

export type ExporterSettings = Schemas['ExporterSettings']
export type ReportRow = Record<string, unknown> // lib/reports.ts names the columns
export interface Report<T> extends List<T> { from: string; to: string }
export type PortDetail = Schemas['PortDetail']
export type PortHour = Schemas['PortHour']
export type RateHour = Schemas['RateHour']
export type IngestHour = Schemas['IngestHour']
export type QuarantineGroup = Schemas['QuarantineGroup']
export type QuarantineDecision = Schemas['QuarantineDecision']
export interface Decision { exporter: string; from: string; to: string; service?: string; rate?: number; reason: string }
export interface Decided { rows: number; samples: number }

export type AuditEntry = Schemas['Entry']
export type Activity = Schemas['Activity']

export type Clock = Schemas['ClockState']
export type Message = Schemas['Message']

export type ConsentQuestion = Schemas['Question']
export type Scope = Schemas['Scope']
export type Application = Schemas['Application']
export type OAuthClient = Schemas['Client']
export type OAuthClientWithSecret = Schemas['WithSecret']
export type OAuthClientSettings = Schemas['ClientBody']
export type NewOAuthClient = Schemas['NewClientBody']

export type Status = AccountProfile['status']
export type Rights = Member['rights']
export type SignIn = Schemas['SignIn']
export type Method = NonNullable<SignIn['methods']>[number]
export type Options = Schemas['AssertionOptions'] // of a passkey's ceremony: WebAuthn Level 3
export type Me = Schemas['Me']
export type Passkey = Schemas['Passkey']
export type TotpSeed = Schemas['TOTPSeed']
export type OwnSession = Schemas['OwnSession']
export type OwnToken = Schemas['OwnToken']
export type Permission = Schemas['RolePermission']

export type OwnAccount = Schemas['OwnAccount']
export type Link = Schemas['LinkDetail']
export type Address = Schemas['Address']
export type AccountProfile = Schemas['AccountDetail']
export type AccountSettings = Schemas['StaffAccountBody']
export type Member = Schemas['Member']
export type Invitation = Schemas['Invitation']
export type CustomerDetail = Schemas['CustomerDetail']
export type Person = Schemas['Person']
export type Impersonation = Schemas['Impersonation']
export type Note = Schemas['Note']

export type Staff = Schemas['Staff']
export type StaffRole = Schemas['Role']
export type RoleTerms = Schemas['RoleTerms']
