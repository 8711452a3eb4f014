-- What stands at the doors that anybody can try: how often it was tried (package internal/limiter), and what was begun
-- there and not ended (package internal/ephemeral).
--
-- Both tables are unlogged: no attempt waits for the disk. After a crash of the server, and on a server that took over
-- from another, they are empty: everybody may try again, and who was half-way begins anew.

-- +goose Up

-- One row per bucket that is not full, or has not been for long. A bucket is kept as what it lacks, in time: that is
-- a whole number, whichever way it is reckoned. No index but the key's: an attempt then writes into its page alone.
create unlogged table limiter_bucket (
    id   bytea  primary key check (length(id) = 32),  -- SHA-256 of the limit's name and of what it counts
    debt bigint not null check (debt >= 0),           -- microseconds until it was full again, seen from "at"
    at   bigint not null                              -- Unix microseconds
) with (fillfactor = 50);

-- What buckets lack now, and how long each has to wait for a token (0: it has one). A step is the time of one token, a
-- room that of all. A clock that is behind "at" refills nothing. One that is behind by more than a minute has
-- leapt: such a bucket goes on from the time it is now.
-- +goose StatementBegin
create function limiter_level(ids bytea[], steps bigint[], rooms bigint[], now_us bigint)
    returns table (place int, id bytea, step bigint, leapt bool, at bigint, debt bigint, wait bigint)
    language sql stable as $$
select k.place::int, k.id, k.step, c.leapt, c.at, c.debt,
    case when c.debt + k.step > k.room then c.debt + k.step - k.room + (c.at - now_us) else 0 end
from unnest(ids, steps, rooms) with ordinality k(id, step, room, place)
left join limiter_bucket b on b.id = k.id
cross join lateral (
    select coalesce(b.at > now_us + 60000000, false) as leapt,
        case when b.at > now_us + 60000000 then now_us else greatest(b.at, now_us) end as at,
        greatest(0, least(coalesce(b.debt, 0), k.room) - greatest(0, now_us - b.at)) as debt  -- both pass over nulls
) c
$$;
-- +goose StatementEnd

-- The functions look rows up by their key even where the table was small, or empty, when they were planned.

-- Takes a token from every bucket or from none. Gives nothing, or which bucket has the longest to wait, counted from 1.
-- +goose StatementBegin
create function limiter_take(ids bytea[], steps bigint[], rooms bigint[], now_us bigint, out refused int, out wait_us bigint)
    language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
    -- A refusal neither writes nor waits, so that a flood of them costs little.
    select l.place, l.wait into refused, wait_us from limiter_level(ids, steps, rooms, now_us) l
        where l.wait > 0 and not l.leapt order by l.wait desc, l.place limit 1;
    if found then
        return;
    end if;
    -- Makes what is missing and locks what is there, one by one in the order of ids: "where false" locks all the same.
    insert into limiter_bucket (id, debt, at) select k.id, 0, now_us from unnest(ids) k(id) order by k.id
        on conflict (id) do update set debt = 0 where false;
    select l.place, l.wait into refused, wait_us from limiter_level(ids, steps, rooms, now_us) l
        where l.wait > 0 order by l.wait desc, l.place limit 1;
    update limiter_bucket b set at = l.at, debt = l.debt + case when refused is null then l.step else 0 end
        from limiter_level(ids, steps, rooms, now_us) l where b.id = l.id;
end $$;
-- +goose StatementEnd

-- Gives a token back to every bucket that is not full. What is made while it waits for its locks is none of them: it
-- would be locked out of order.
-- +goose StatementBegin
create function limiter_give(ids bytea[], steps bigint[], rooms bigint[], now_us bigint) returns void
    language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    locked bytea[];
begin
    select array_agg(o.id) into locked from
        (select b.id from limiter_bucket b where b.id = any (ids) order by b.id for update) o;
    update limiter_bucket b set at = l.at, debt = greatest(0, l.debt - l.step)
        from limiter_level(ids, steps, rooms, now_us) l where b.id = l.id and b.id = any (locked);
end $$;
-- +goose StatementEnd
revoke all on function limiter_level, limiter_take, limiter_give from public;

create unlogged table ephemeral (
    kind       text        not null,
    key        bytea       not null check (length(key) = 32),
    value      bytea       not null check (length(value) <= 16384),
    expires_at timestamptz not null,
    primary key (kind, key)
);
create index ephemeral_expiry on ephemeral (expires_at);

-- The role of what has not logged in yet. It reads and writes these two tables and nothing else.
-- +goose StatementBegin
do $$
begin
    begin
        if not exists (select from pg_roles where rolname = 'ezscale_door') then
            create role ezscale_door nologin;
        end if;
    exception when duplicate_object or unique_violation then
        null; -- made by another database's migration in this moment
    end;
    if not pg_has_role(current_user, 'ezscale_door', 'set') then
        grant ezscale_door to current_user;
    end if;
end $$;
-- +goose StatementEnd
grant select, insert, update, delete on limiter_bucket, ephemeral to ezscale_door, ezscale_command;
grant execute on function limiter_level, limiter_take, limiter_give to ezscale_door, ezscale_command;

-- +goose Down
-- Forward only.
