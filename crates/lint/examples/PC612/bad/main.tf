resource "aws_db_instance" "ledger" {
  engine = "postgres"
  port   = 5432
}

resource "aws_elasticache_cluster" "sessions" {
  engine = "redis"
}
