-- Cycles, invoices, and the double-entry ledger.

-- +goose Up

-- A service's billing period with the terms that hold for it. Half-open, on whole hours UTC.
create table cycle (
    id                 uuid        primary key,
    service_id         uuid        not null references service,
    plan_id            uuid        not null references plan,
    starts_at          timestamptz not null check (date_trunc('hour', starts_at, 'UTC') = starts_at),
    ends_at            timestamptz not null check (date_trunc('hour', ends_at, 'UTC') = ends_at),
    status             text        not null check (status in ('open', 'collecting', 'snapshot', 'rated', 'closed')),
    quota_bytes        bigint,
    byte_basis         text        not null,
    direction          text        not null,
    thresholds         smallint[]  not null,
    currency           text        not null,
    overage_unit_bytes bigint,
    overage_unit_price numeric(38, 18),
    collecting_at      timestamptz,
    check (starts_at < ends_at),
    constraint cycle_overlap exclude using gist (service_id with =, tstzrange(starts_at, ends_at) with &&)
);
create index cycle_due on cycle (ends_at, id) where status <> 'closed';
create index cycle_closed on cycle (ends_at, id) where status = 'closed';
create trigger attribution_change after insert or update or delete on cycle for each statement execute function note_attribution_change();

-- The usage a cycle was billed on, as it was when the books were read. Revision 0 is the close, later ones carry
-- usage that came late. Counts are of everything up to then. Rows are added, never changed.
create table cycle_snapshot (
    cycle_id       uuid        not null references cycle,
    revision       int         not null check (revision >= 0),
    event_end      timestamptz not null,   -- exclusive
    stored_before  timestamptz not null,   -- exclusive
    bytes_in_l2    bigint      not null,
    bytes_out_l2   bigint      not null,
    bytes_in_l3    bigint      not null,
    bytes_out_l3   bigint      not null,
    samples_in     bigint      not null,
    samples_out    bigint      not null,
    billable_bytes bigint      not null,   -- by the cycle's basis and direction
    billable_samples bigint    not null,   -- that those bytes were estimated from
    error_bound_percent numeric(12, 6),    -- null: no samples
    datagrams_lost bigint      not null,   -- of the exporters that metered the service
    samples_lost   bigint      not null,
    samples_quarantined bigint not null,
    kernel_drops   bigint      not null,
    primary key (cycle_id, revision)
);

-- What a snapshot's usage costs: all overage so far, not of this revision alone. What a cycle still owes is its
-- newest rating less the sum of its invoice lines: above zero it waits for the service's next invoice, below it
-- is credited at once.
create table cycle_rating (
    cycle_id      uuid        not null,
    revision      int         not null,
    overage_bytes bigint      not null check (overage_bytes >= 0),
    overage_minor bigint      not null check (overage_minor >= 0),
    currency      text        not null,
    rated_at      timestamptz not null,
    primary key (cycle_id, revision),
    foreign key (cycle_id, revision) references cycle_snapshot
);

-- Invoice numbers are gapless per series: the row is locked by the transaction that finalises.
create table invoice_series (
    series text   primary key,
    next   bigint not null default 1
);
insert into invoice_series (series) values ('INV'), ('CN');

create table invoice (
    id            uuid        primary key,
    kind          text        not null check (kind in ('usage', 'credit_note')),
    number        text        not null unique,
    customer_id   uuid        not null references customer,
    customer_name text        not null,    -- frozen at finalisation
    customer_email text       not null,
    service_id    uuid        not null references service,
    cycle_id      uuid        not null references cycle,
    revision      int         not null,
    currency      text        not null,
    total_minor   bigint      not null,
    status        text        not null check (status in ('finalised', 'paid', 'void')),
    finalised_at  timestamptz not null,
    unique (cycle_id, kind, revision)
);
create index invoice_customer on invoice (customer_id, finalised_at desc);

create table invoice_line (
    invoice_id  uuid   not null references invoice,
    position    int    not null,
    kind        text   not null check (kind in ('overage', 'late_usage')),
    service_id  uuid   not null references service,
    cycle_id    uuid   not null references cycle,
    revision    int    not null,
    description text   not null,
    quantity    numeric(38, 18) not null,   -- in units of unit_bytes
    unit_bytes  bigint not null,
    unit_price  numeric(38, 18) not null,
    amount_minor bigint not null,
    evidence    jsonb  not null,            -- usage, error bound and known loss, as printed
    primary key (invoice_id, position),
    constraint invoice_line_once unique (service_id, cycle_id, revision, kind)
);

create table ledger_transaction (
    id          uuid        primary key,
    at          timestamptz not null,
    description text        not null,
    invoice_id  uuid        references invoice
);
create table ledger_entry (
    transaction_id uuid   not null references ledger_transaction,
    position       int    not null,
    account        text   not null check (account in ('receivable', 'revenue.recurring', 'revenue.usage', 'tax_payable',
        'customer_credit', 'gateway_clearing.stripe', 'gateway_clearing.paypal', 'fees', 'refunds', 'bad_debt')),
    customer_id    uuid   not null references customer,
    currency       text   not null,
    amount_minor   bigint not null check (amount_minor <> 0),   -- debit positive
    primary key (transaction_id, position)
);
create index ledger_entry_customer on ledger_entry (customer_id, account, currency);

-- +goose StatementBegin
create function ledger_balances() returns trigger language plpgsql as $$
begin
    if exists (select from ledger_entry where transaction_id = new.transaction_id
               group by currency having sum(amount_minor) <> 0) then
        raise exception 'ledger transaction % does not sum to zero', new.transaction_id using errcode = 'check_violation';
    end if;
    return null;
end $$;
-- +goose StatementEnd
create constraint trigger ledger_balances after insert or update on ledger_entry
    deferrable initially deferred for each row execute function ledger_balances();

-- Mails and webhook posts sent or to be sent; unique by what they are about. An attempt is committed before
-- the outside party is called, its outcome after. content is what the template prints, frozen when queued.
create table notification (
    id          uuid        primary key,
    customer_id uuid        not null references customer,
    channel     text        not null check (channel in ('mail', 'discord')),
    recipient   text        not null,    -- mail address, or the name of a staff channel
    template    text        not null,
    event_id    uuid        not null,
    content     jsonb       not null,
    status      text        not null check (status in ('queued', 'sent', 'failed')),
    attempts    int         not null default 0 check (attempts >= 0),
    error       text,                    -- of the last attempt
    queued_at   timestamptz not null,
    tried_at    timestamptz,
    sent_at     timestamptz,
    unique (event_id, channel, recipient, template),
    check ((status = 'sent') = (sent_at is not null))
);
create index notification_customer on notification (customer_id, queued_at desc);
create index notification_waiting on notification (status, queued_at) where status <> 'sent';

-- +goose Down
-- Forward only.
