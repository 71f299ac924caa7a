import { DATABASES, openSqlStore, requirement } from "../sql/open_sql.ts";
import { testStore } from "./store_suite.ts";

for (const database of DATABASES) {
  const { ignore, suffix } = requirement(database);
  testStore({ name: `SQL functions on ${database}${suffix}`, create: () => openSqlStore(database), ignore });
}
