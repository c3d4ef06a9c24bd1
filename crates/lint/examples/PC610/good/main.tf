resource "aws_db_instance" "ledger" {
  engine              = "postgres"
  publicly_accessible = false
}

resource "aws_eks_cluster" "main" {
  name = "main"
  vpc_config {
    subnet_ids              = [aws_subnet.a.id]
    endpoint_public_access  = true
    endpoint_private_access = true
    public_access_cidrs     = ["203.0.113.7/32"]
  }
}

resource "azurerm_mssql_firewall_rule" "office" {
  name             = "office"
  server_id        = azurerm_mssql_server.main.id
  start_ip_address = "203.0.113.7"
  end_ip_address   = "203.0.113.7"
}

resource "google_sql_database_instance" "ledger" {
  settings {
    ip_configuration {
      ipv4_enabled = false
    }
  }
}
