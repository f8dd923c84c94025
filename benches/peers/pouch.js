// node pouch.js OPERATION STORE [ARGUMENTS]: one fresh process of PouchDB over its leveldb adapter, found by NODE_PATH.
// PouchDB does not flush what it puts.
const PouchDB = require('pouchdb');
const fs = require('fs'), readline = require('readline');
const [operation, store, source] = process.argv.slice(2);
const lines = () => readline.createInterface({ input: fs.createReadStream(source), crlfDelay: Infinity });
const document = (line) => { const { key, value } = JSON.parse(line); return { _id: key, ...value }; };
const print = (value) => process.stdout.write(JSON.stringify(value) + '\n');

async function put(db, record) {
  try { record._rev = (await db.get(record._id))._rev; } catch (error) { if (error.status !== 404) throw error; }
  await db.put(record);
}

(async () => {
  const db = new PouchDB(store);
  if (operation === 'import') {
    let batch = [];
    const flush = async () => { if (batch.length) await db.bulkDocs(batch); batch = []; };
    for await (const line of lines()) { batch.push(document(line)); if (batch.length === 1000) await flush(); }
    await flush();
  } else if (operation === 'put') {
    for await (const line of lines()) await put(db, document(line));
  } else if (operation === 'get') {
    for await (const key of lines()) print(await db.get(key));
  } else if (operation === 'scan') {
    const prefix = source || '';
    for (let start = prefix, skip = 0; ;) {
      const page = await db.allDocs({ include_docs: true, limit: 2000, skip, startkey: start, endkey: prefix + '\uffff' });
      if (!page.rows.length) break;
      page.rows.forEach((row) => print({ key: row.id, value: row.doc }));
      start = page.rows[page.rows.length - 1].id; skip = 1;
    }
  } else if (operation === 'seq') {
    print((await db.info()).update_seq);
  } else if (operation === 'diff') {
    (await db.changes({ since: +source })).results.forEach((row) => print(row.id));
  } else if (operation === 'compact') {
    await db.compact();
  }
  await db.close();
})().catch((error) => { console.error(error); process.exit(1); });
