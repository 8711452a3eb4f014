-- Tells whether a change of attribution has become visible since snapshot $1.
select exists (select from attribution_change
    where txid >= pg_snapshot_xmin($1::pg_snapshot) and not pg_visible_in_snapshot(txid, $1::pg_snapshot))
