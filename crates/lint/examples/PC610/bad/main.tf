resource "aws_db_instance" "ledger" {
  engine              = "postgres"
  publicly_accessible = true
}

resource "aws_eks_cluster" "main" {
  name = "main"
  vpc_config {
    subnet_ids          = [aws_subnet.a.id]
    public_access_cidrs = ["0.0.0.0/0"]
  }
}

resource "azurerm_mssql_firewall_rule" "all" {
  name             = "all"
  server_id        = azurerm_mssql_server.main.id
  start_ip_address = "0.0.0.0"
  end_ip_address   = "255.255.255.255"
}

resource "google_sql_database_instance" "ledger" {
  settings {
    ip_configuration {
      authorized_networks {
        value = "0.0.0.0/0"
      }
    }
  }
}
