# Turns weather.csv into lines for `isodb apply`: a document a day, its numbers as they stand in the file.
BEGIN { FS = "," }
NR > 1 {
    printf "{\"key\":\"weather/%s/%s\",\"value\":", $1, $2
    printf "{\"precipitation\":%s,\"temp_max\":%s,\"temp_min\":%s,\"wind\":%s,\"weather\":\"%s\"}}\n", $3, $4, $5, $6, $7
}
