// What AsyncAPI's own parser says of a document, in JSON, and TypeScript by AsyncAPI's own generator: FILE FOLDER.
import { readFileSync } from "node:fs";
import { AvroSchemaParser } from "@asyncapi/avro-schema-parser";
import { TypeScriptFileGenerator } from "@asyncapi/modelina";
import { Parser } from "@asyncapi/parser";

const [file, folder] = process.argv.slice(2);
const parser = new Parser();
parser.registerSchemaParser(AvroSchemaParser());
const { document, diagnostics } = await parser.parse(readFileSync(file, "utf8"));
if (document) {
  const generator = new TypeScriptFileGenerator({ modelType: "interface" });
  await generator.generateToFiles(document, folder, { exportType: "named" });
}
console.log(JSON.stringify(diagnostics.map(({ code, path, message }) => ({ code, path, message }))));
