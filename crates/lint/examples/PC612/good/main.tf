resource "aws_db_instance" "ledger" {
  engine = "postgres"
  port   = 4001
}
