/** What the trigger on `realtime.messages` notifies, with the id of the row. */
export const MESSAGES_CHANNEL = "realtime_messages";

/**
 * The part of a hosted project's `realtime` schema that broadcasts, private channels and SQL use, and what the local
 * server needs beside it. May run again on the same database.
 */
export const REALTIME_SCHEMA = `
create schema if not exists realtime;
grant usage on schema realtime to anon, authenticated, service_role;

create table if not exists realtime.messages (
  id uuid not null default gen_random_uuid(),
  topic text not null,
  extension text not null,
  event text,
  payload jsonb,
  binary_payload bytea,
  private boolean default false,
  inserted_at timestamp not null default now(),
  updated_at timestamp not null default now(),
  primary key (id, inserted_at),
  check (payload is null or binary_payload is null)
);
create index if not exists messages_inserted_at_topic_index on realtime.messages (inserted_at desc, topic)
  where extension = 'broadcast' and private;
alter table realtime.messages enable row level security;
grant select, insert, update on realtime.messages to anon, authenticated, service_role;

create or replace function realtime.topic() returns text language sql stable as
$$ select nullif(current_setting('realtime.topic', true), '') $$;

create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true)
returns void language plpgsql as $$
declare
  message_id uuid := gen_random_uuid();
begin
  perform set_config('realtime.topic', send.topic, true);
  insert into realtime.messages (id, topic, extension, event, payload, private)
    values (message_id, send.topic, 'broadcast', send.event,
      case when send.payload ? 'id' then send.payload else send.payload || jsonb_build_object('id', message_id) end,
      send.private);
exception when others then
  raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
end $$;

create or replace function realtime.send_binary(payload bytea, event text, topic text, private boolean default true)
returns void language plpgsql as $$
begin
  perform set_config('realtime.topic', send_binary.topic, true);
  insert into realtime.messages (topic, extension, event, binary_payload, private)
    values (send_binary.topic, 'broadcast', send_binary.event, send_binary.payload, send_binary.private);
exception when others then
  raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
end $$;

create or replace function realtime.broadcast_changes(
  topic_name text, event_name text, operation text, table_name text, table_schema text,
  new record, old record, level text default 'ROW')
returns void language plpgsql as $$
begin
  if level = 'STATEMENT' then raise exception 'broadcast_changes() works in triggers for each row only'; end if;
  if operation not in ('INSERT', 'UPDATE', 'DELETE') then raise exception 'Unexpected operation: %', operation; end if;
  perform realtime.send(
    jsonb_build_object('record', new, 'old_record', old, 'operation', operation,
      'table', table_name, 'schema', table_schema),
    event_name, topic_name);
end $$;

create schema if not exists realtime_local;

create or replace function realtime_local.announce() returns trigger language plpgsql as $$
begin
  perform pg_notify('${MESSAGES_CHANNEL}', new.id::text);
  return null;
end $$;
create or replace trigger announce after insert on realtime.messages for each row
  when (new.extension = 'broadcast' and new.event is not null) execute function realtime_local.announce();

create or replace function realtime_local.become(topic text, claims jsonb, headers jsonb)
returns void language sql as $$
  select set_config('realtime.topic', topic, true),
    set_config('request.jwt.claims', claims::text, true),
    set_config('request.jwt.claim.sub', coalesce(claims ->> 'sub', ''), true),
    set_config('request.jwt.claim.role', claims ->> 'role', true),
    set_config('request.headers', headers::text, true),
    set_config('role', claims ->> 'role', true)
$$;

-- Rows of each kind are there for the caller to see or not, until the error takes them and the caller's role back.
create or replace function realtime_local.may_read(
  topic text, claims jsonb, headers jsonb, out broadcast boolean, out presence boolean)
language plpgsql as $$
declare
  broadcast_id uuid := gen_random_uuid();
  presence_id uuid := gen_random_uuid();
begin
  begin
    insert into realtime.messages (id, topic, extension)
      values (broadcast_id, may_read.topic, 'broadcast'), (presence_id, may_read.topic, 'presence');
    perform realtime_local.become(topic, claims, headers);
    broadcast := exists (select from realtime.messages m where m.id = broadcast_id);
    presence := exists (select from realtime.messages m where m.id = presence_id);
    raise sqlstate 'RT000';
  exception when sqlstate 'RT000' then null;
  end;
end $$;

create or replace function realtime_local.may_write(
  topic text, claims jsonb, headers jsonb, out broadcast boolean, out presence boolean)
language plpgsql as $$
begin
  begin
    perform realtime_local.become(topic, claims, headers);
    begin
      insert into realtime.messages (topic, extension) values (may_write.topic, 'broadcast');
      broadcast := true;
    exception when insufficient_privilege then broadcast := false;
    end;
    begin
      insert into realtime.messages (topic, extension) values (may_write.topic, 'presence');
      presence := true;
    exception when insufficient_privilege then presence := false;
    end;
    raise sqlstate 'RT000';
  exception when sqlstate 'RT000' then null;
  end;
end $$;
revoke all on all functions in schema realtime_local from public;

do $$ begin
  if not exists (select from pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
  end if;
end $$;
`;
